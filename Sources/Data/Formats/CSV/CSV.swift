import Glibc
import Kernels

extension Format {
  /// Numbers separated by commas, semicolons or tabs, with an optional header.
  static let csv = Format(
    summary: "numeric .csv, .tsv or .txt",
    suffixes: [".csv", ".tsv", ".txt"],
    matches: { candidate in
      // The first line may be a header, so the second is examined. It may be cut off, which does not change its
      // characters.
      candidate.head.split(separator: UInt8(ascii: "\n")).prefix(2).last.map(isNumeric) == true
    },
    open: { candidate throws(Failure) in
      guard let file = candidate.file else { throw Failure.unopened(candidate.spec, 0) }
      return Opened(Source(try CSVReader(file)))
    })

  /// Whether a line may consist of numbers.
  private static func isNumeric(_ line: ArraySlice<UInt8>) -> Bool {
    let allowed = Set("0123456789+-.eE,;\t \r\"".utf8)
    return line.allSatisfy(allowed.contains) && line.contains { (0x30...0x39).contains($0) }
  }
}

/// A table of numbers in text. Rows are parsed when they are prepared, and are kept as float32.
final class CSVReader: SampleReader {
  var name: String { lines.text.name }
  var count: Int { lines.count }
  let shape: SampleShape
  let element = ElementType.text
  var columnNames: [String]? { lines.columnNames }
  var fingerprint: String { lines.fingerprint }

  let lines: CSVLines
  private var store: RowStore?

  init(_ file: InputFile) throws(Failure) {
    lines = try CSVLines(file)
    shape = .vector(lines.width)
  }

  func prepare(_ ranges: [Range<Int>]) throws(Failure) {
    let ranges = merged(ranges)
    if let store, store.ranges == ranges { return }
    let width = shape.elementCount
    let fresh = try RowStore(ranges, rowBytes: 4 * width, name: name)
    let activity = Activity("reading \(name)", of: ranges.reduce(0) { $0 + $1.count })
    defer { activity.end() }
    for range in ranges {
      try lines.eachLine(in: range) { (row, line) throws(Failure) in
        let target = fresh.row(row).bindMemory(to: Float.self, capacity: width)
        try lines.text.parse(
          line, number: lines.firstLine + row, row: row, columnNames: columnNames, into: target, width: width)
        Activity.advance()
      }
    }
    store = fresh
  }

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    guard let store else { preconditionFailure("\(name): read before prepare") }
    Encoding.parsedText.decode(store.row(row), count: shape.elementCount, into: target)
  }

  func line(ofRow row: Int) -> Int? { lines.firstLine + row }
}
