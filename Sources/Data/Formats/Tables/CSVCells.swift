import Kernels

/// The cells of a text table, which are numbers, words or empty.
final class CSVCells: TableCells {
  private let lines: CSVLines
  var name: String { lines.text.name }
  var count: Int { lines.count }
  var fingerprint: String { lines.fingerprint }
  let columnNames: [String]

  init(_ lines: CSVLines) {
    self.lines = lines
    columnNames = lines.columnNames ?? (0..<lines.width).map { "x\($0)" }
  }

  func eachRow(in rows: Range<Int>, _ body: (Int, any TableRow) throws(Failure) -> Void) throws(Failure) {
    try lines.eachLine(in: rows) { (row, line) throws(Failure) in
      try body(row, try lines.text.row(line, number: lines.firstLine + row, row: row, width: lines.width))
    }
  }

  func line(ofRow row: Int) -> Int? { lines.firstLine + row }
}
