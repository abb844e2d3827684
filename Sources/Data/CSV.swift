import Glibc
import Kernels

extension Format {
  /// Numbers separated by commas, semicolons or tabs, with or without a header.
  static let csv = Format(
    summary: "numeric .csv, .tsv or .txt",
    suffixes: [".csv", ".tsv", ".txt"],
    matches: { candidate in
      // The first line may be a header; a line cut off by the end of the head is still made of the same characters.
      candidate.head.split(separator: UInt8(ascii: "\n")).prefix(2).last.map(isNumeric) == true
    },
    open: { candidate throws(Failure) in
      guard let file = candidate.file else { throw Failure.unopened(candidate.spec, 0) }
      return Opened(Source(try CSVReader(file)))
    })

  /// Whether a line could be one of numbers.
  private static func isNumeric(_ line: ArraySlice<UInt8>) -> Bool {
    let allowed = Set("0123456789+-.eE,;\t \r\"".utf8)
    return line.allSatisfy(allowed.contains) && line.contains { (0x30...0x39).contains($0) }
  }
}

/// A table of numbers as text: lines are found once, rows are parsed when prepared and kept as float32.
final class CSVReader: SampleReader {
  let name: String
  let count: Int
  let shape: SampleShape
  let element = ElementType.text
  let columnNames: [String]?
  let fingerprint: String

  private let file: InputFile
  private let text: CSVText
  /// 1-based line of the first data row.
  private let firstLine: Int
  /// The offset of every 256th row: finding a row scans at most that many lines.
  private let marks: [Int]
  private static let markSpacing = 256
  private var store: RowStore?

  init(_ file: InputFile) throws(Failure) {
    self.file = file
    name = file.name
    text = try CSVText(file)
    fingerprint = try file.fingerprint()
    let first = text.line(at: text.start)
    columnNames = try text.header(first)
    let width = try text.width(first)
    shape = .vector(width)
    firstLine = columnNames == nil ? 1 : 2
    let data = columnNames == nil ? text.start : min(first.upperBound + 1, text.end)
    var (marks, rows, offset): ([Int], Int, Int) = ([], 0, data)
    let activity = Activity("finding the lines of \(name)", of: text.end - data)
    defer { activity.end() }
    while offset < text.end {
      if rows % Self.markSpacing == 0 {
        Activity.advance(by: offset - (marks.last ?? data))
        marks.append(offset)
      }
      rows += 1
      offset = text.line(at: offset).upperBound + 1
    }
    guard rows > 0 else { throw .malformed(name, "has a header, but no rows") }
    guard product([rows, width, 4]) != nil else { throw .malformed(name, "claims an absurd size: \(rows) x \(width)") }
    count = rows
    self.marks = marks
  }

  func prepare(_ ranges: [Range<Int>]) throws(Failure) {
    try file.checkUnchanged()
    let ranges = merged(ranges)
    if let store, store.ranges == ranges { return }
    let width = shape.elementCount
    let fresh = try RowStore(ranges, rowBytes: 4 * width, name: name)
    let activity = Activity("reading \(name)", of: ranges.reduce(0) { $0 + $1.count })
    defer { activity.end() }
    for range in ranges {
      var offset = marks[range.lowerBound / Self.markSpacing]
      for _ in 0..<range.lowerBound % Self.markSpacing { offset = text.line(at: offset).upperBound + 1 }
      for row in range {
        let line = text.line(at: offset)
        let target = fresh.row(row).bindMemory(to: Float.self, capacity: width)
        try text.parse(line, number: firstLine + row, row: row, columnNames: columnNames, into: target, width: width)
        offset = line.upperBound + 1
        Activity.advance()
      }
    }
    store = fresh
  }

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    guard let store else { preconditionFailure("\(name): read before prepare") }
    Encoding.parsedText.decode(store.row(row), count: shape.elementCount, into: target)
  }

  func line(ofRow row: Int) -> Int? { firstLine + row }
}
