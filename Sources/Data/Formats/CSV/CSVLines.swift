import Glibc
import Kernels

/// Locates the rows of a text table. The lines are found once, without parsing their cells.
final class CSVLines {
  let text: CSVText
  let fingerprint: String
  let count: Int
  /// Number of cells in a line.
  let width: Int
  let columnNames: [String]?
  /// The 1-based number of the line that holds the first data row.
  let firstLine: Int
  private let file: InputFile
  /// The offset of every 256th row, so that finding a row scans at most that many lines.
  private let marks: [Int]
  private static let markSpacing = 256

  init(_ file: InputFile) throws(Failure) {
    self.file = file
    text = try CSVText(file)
    fingerprint = try file.fingerprint()
    let first = text.line(at: text.start)
    columnNames = try text.header(first)
    width = try text.width(first)
    firstLine = columnNames == nil ? 1 : 2
    let data = columnNames == nil ? text.start : min(first.upperBound + 1, text.end)
    var (marks, rows, offset): ([Int], Int, Int) = ([], 0, data)
    let activity = Activity("finding the lines of \(file.name)", of: text.end - data)
    defer { activity.end() }
    while offset < text.end {
      if rows % Self.markSpacing == 0 {
        Activity.advance(by: offset - (marks.last ?? data))
        marks.append(offset)
      }
      rows += 1
      offset = text.line(at: offset).upperBound + 1
    }
    guard rows > 0 else { throw .malformed(file.name, "has a header, but no rows") }
    guard checkedProduct([rows, width, 4]) != nil else {
      throw .malformed(file.name, "claims an absurd size: \(rows) x \(width)")
    }
    count = rows
    self.marks = marks
  }

  /// Calls `body` with each row number of a range and the byte range of its line.
  func eachLine(
    in rows: Range<Int>, _ body: (Int, Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    guard !rows.isEmpty else { return }
    try file.checkUnchanged()
    var offset = marks[rows.lowerBound / Self.markSpacing]
    for _ in 0..<rows.lowerBound % Self.markSpacing { offset = text.line(at: offset).upperBound + 1 }
    for row in rows {
      let line = text.line(at: offset)
      try body(row, line)
      offset = line.upperBound + 1
    }
  }
}
