import Kernels

/// Samples that are windows over the rows of a table. The rows of a window are concatenated.
final class WindowReader: SampleReader {
  let name: String
  let count: Int
  let shape: SampleShape
  let element = ElementType.text
  let columnNames: [String]?
  let fingerprint: String
  let schema: TableSchema?

  private let rows: TableReader
  private let windows: Windows

  /// - schema: the schema of the windows.
  init(_ rows: TableReader, _ schema: TableSchema, _ windows: Windows) throws(Failure) {
    (self.rows, self.windows, self.schema) = (rows, windows, schema)
    name = rows.name
    guard let width = checkedProduct([windows.length, rows.shape.elementCount]),
      width <= ArrayLayout.maximumElementCount
    else {
      throw Failure(
        .badConfiguration, "data.window: \(windows.length) rows of \(rows.shape.elementCount) elements are too many",
        hint: "set a shorter window")
    }
    shape = .vector(width)
    count = windows.samples(in: 0..<rows.count).count
    guard count > 0 else {
      throw .malformed(
        rows.name, "has \(rows.count) rows, and a sample is a window of \(windows.length)", hint: "give more rows")
    }
    columnNames = schema.elementNames
    let digest = SHA256()
    digest.update("\(rows.fingerprint) \(windows.length) \(windows.stride)")
    fingerprint = digest.finish()
  }

  func prepare(_ ranges: [Range<Int>]) throws(Failure) {
    try rows.prepare(
      ranges.filter { !$0.isEmpty }.map {
        windows.rows($0.lowerBound).lowerBound..<windows.rows($0.upperBound - 1).upperBound
      })
  }

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    let width = rows.shape.elementCount
    for (place, row) in windows.rows(row).enumerated() { rows.read(row: row, into: target + place * width) }
  }

  func line(ofRow row: Int) -> Int? { rows.line(ofRow: windows.rows(row).lowerBound) }

  /// The label of a window is the highest label of its rows. Where 1 marks an anomaly, a window that contains one is
  /// anomalous.
  var labels: Labels? {
    guard let labels = rows.labels else { return nil }
    return Labels { [name, windows, count, rows] () throws(Failure) in
      guard rows.classNames == nil else {
        throw .malformed(
          name, "labels are words, and of a window's rows the highest counts",
          hint: "write 0 for normal rows and 1 for anomalies")
      }
      let values = try labels.load()
      return (0..<count).map { windows.rows($0).reduce(0) { max($0, values[$1]) } }
    }
  }

  func times() throws(Failure) -> [String]? { try rows.times() }
}

extension TableReader {
  /// Returns windows over these rows if the schema asks for windows.
  func windows(_ schema: TableSchema) throws(Failure) -> WindowReader? {
    guard let windows = schema.windows else { return nil }
    return try WindowReader(self, schema, windows)
  }
}
