import Kernels

/// The cells of a table as they are in the file, before the columns have been given types.
protocol TableCells: AnyObject {
  var name: String { get }
  var count: Int { get }
  var columnNames: [String] { get }
  /// Whether the columns have names, so that they can be found in any order.
  var hasNames: Bool { get }
  var fingerprint: String { get }
  /// Calls `body` with each row number of a range and the cells of the row.
  func eachRow(in rows: Range<Int>, _ body: (Int, any TableRow) throws(Failure) -> Void) throws(Failure)
  /// The 1-based line of a row in a text file; nil for other sources.
  func line(ofRow row: Int) -> Int?
}

/// The cells of one row.
protocol TableRow {
  /// Returns NaN for a missing value, infinity for a number outside the range of float32, and nil for a word.
  func number(_ column: Int) -> Float?
  /// Returns the cell as the name of a category; empty for a missing value.
  func text(_ column: Int) -> String
}

extension TableCells {
  var hasNames: Bool { true }

  func place(row: Int, column: Int) -> String {
    let line = line(ofRow: row).map { "line \($0) (row \(row + 1))" } ?? "row \(row + 1)"
    return "\(line), \(SampleShape.vector(0).place(of: column, columnNames: columnNames))"
  }
}

/// The rows of an array as a table. The columns are called x0, x1, ..., and NaN is a missing value.
final class ArrayCells: TableCells {
  private let reader: any SampleReader
  var name: String { reader.name }
  var count: Int { reader.count }
  var fingerprint: String { reader.fingerprint }
  let columnNames: [String]
  var hasNames: Bool { false }

  init(_ reader: any SampleReader) {
    self.reader = reader
    columnNames = (0..<reader.shape.elementCount).map { "x\($0)" }
  }

  func eachRow(in rows: Range<Int>, _ body: (Int, any TableRow) throws(Failure) -> Void) throws(Failure) {
    try reader.prepare([rows])
    var row = ArrayRow(values: [Float](repeating: 0, count: columnNames.count))
    for index in rows {
      var failure: Failure?
      row.values.withUnsafeMutableBufferPointer { values in
        guard let base = values.baseAddress else { return }
        do throws(Failure) { try reader.read(row: index, into: base) } catch { failure = error }
      }
      if let failure { throw failure }
      try body(index, row)
    }
  }

  func line(ofRow row: Int) -> Int? { nil }
}

private struct ArrayRow: TableRow {
  var values: [Float]

  func number(_ column: Int) -> Float? { values[column] }

  func text(_ column: Int) -> String {
    let value = values[column]
    return value.isNaN ? "" : Int(exactly: value).map(String.init) ?? "\(value)"
  }
}
