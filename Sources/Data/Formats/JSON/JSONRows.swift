import Kernels

/// The rows of {"rows": [[1.5, null, "word"]], "columns": ["a", "b", "c"]}, parsed in one pass without a syntax tree.
struct JSONRows {
  let name: String
  private(set) var count = 0
  private(set) var width = 0
  /// The numbers, (count, width). They are NaN for null and words, and infinite for numbers that are too large.
  private(set) var values: [Float] = []
  /// The cells that are words, by their index in `values`.
  private(set) var words: [Int: String] = [:]
  /// The source text of each cell that is a number; empty unless it was requested.
  private(set) var texts: [String] = []
  /// Names of the columns if the message gives them.
  private(set) var columns: [String]?

  init(_ bytes: [UInt8], name: String, keepsText: Bool) throws(Failure) {
    self.name = name
    var text = JSONText(bytes, name: name)
    var hasRows = false
    try text.object { (text, key) throws(Failure) in
      switch key {
      case "rows" where !hasRows:
        hasRows = true
        try text.array { (text, _) throws(Failure) in try row(&text, keepsText: keepsText) }
      case "columns" where columns == nil:
        var names: [String] = []
        try text.array { (text, _) throws(Failure) in names.append(try text.string()) }
        columns = names
      case "rows", "columns": throw text.failure("'\(key)' stands there twice")
      default:
        throw text.failure("the key '\(key.printable)' is not known", hint: "write {\"rows\": [[...], ...]}")
      }
    }
    try text.end()
    guard count > 0 else { throw text.failure("there are no rows", hint: "write {\"rows\": [[...], ...]}") }
    if let columns, columns.count != width {
      throw .malformed(name, "\(columns.count) names in columns, but rows of \(width) values")
    }
  }

  private mutating func row(_ text: inout JSONText, keepsText: Bool) throws(Failure) {
    let start = values.count
    try text.array { (text, column) throws(Failure) in
      switch try text.scalar() {
      case .null: values.append(.nan)
      case .number(let value): values.append(value)
      case .string(let word):
        words[values.count] = word
        values.append(.nan)
      case .flag(let flag):
        throw Failure.malformed(
          name, "row \(count + 1), value \(column + 1): \(flag) is neither a number nor a word",
          hint: "write 0 or 1, or null where the value is missing")
      }
      if keepsText { texts.append(text.lastNumber) }
    }
    let found = values.count - start
    if count == 0 { width = found }
    guard found == width, found > 0 else {
      throw .malformed(
        name, "row \(count + 1) has \(found) values" + (found == 0 ? "" : ", but row 1 has \(width)"),
        hint: "give every row the same columns")
    }
    count += 1
  }
}

/// Rows of numbers, each of which is a sample of a model.
final class JSONReader: SampleReader {
  let name: String
  let count: Int
  let shape: SampleShape
  let element = ElementType.text
  let fingerprint = ""
  private let values: [Float]

  init(_ rows: JSONRows, _ shape: SampleShape) throws(Failure) {
    guard rows.width == shape.elementCount else {
      throw .malformed(
        rows.name, "rows of \(rows.width) values, but the model was trained on samples of \(shape)",
        hint: "give \(shape.elementCount) numbers a row" + (shape.isImage ? ": row by row, channels last" : ""))
    }
    if let place = rows.words.keys.min(), let word = rows.words[place] {
      throw .malformed(
        rows.name, "\(Self.place(place, rows.width)): '\(word.printable)' is not a number",
        hint: "the model was trained on numbers alone")
    }
    if let place = rows.values.firstIndex(where: { !$0.isFinite }) {
      let isMissing = rows.values[place].isNaN
      throw .malformed(
        rows.name,
        "\(Self.place(place, rows.width)): " + (isMissing ? "null" : "the number is too large for 32 bits"),
        hint: isMissing ? "the model was trained on rows without missing values: fill it in" : "rescale it")
    }
    (name, count, values, self.shape) = (rows.name, rows.count, rows.values, shape)
  }

  private static func place(_ place: Int, _ width: Int) -> String {
    "row \(place / width + 1), value \(place % width + 1)"
  }

  func prepare(_ ranges: [Range<Int>]) {}

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    let width = shape.elementCount
    values.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return }
      target.update(from: base + row * width, count: width)
    }
  }
}

/// Rows of a mixed table. null is a missing value.
final class JSONCells: TableCells {
  let name: String
  let count: Int
  let columnNames: [String]
  let fingerprint = ""
  private let rows: JSONRows

  /// The columns are in the order of training unless the message names them.
  init(_ rows: JSONRows, _ schema: TableSchema) throws(Failure) {
    let known = schema.columns.map(\.name)
    guard rows.columns != nil || rows.width == known.count else {
      let list = known.prefix(20).map(\.printable).joined(separator: ", ")
      throw .malformed(
        rows.name, "rows of \(rows.width) values, but the model was trained on \(known.count) columns",
        hint: "they are \(list)" + (known.count > 20 ? ", ..." : ""))
    }
    columnNames = rows.columns ?? known
    (name, count, self.rows) = (rows.name, rows.count, rows)
  }

  func eachRow(in range: Range<Int>, _ body: (Int, any TableRow) throws(Failure) -> Void) throws(Failure) {
    for row in range { try body(row, Row(rows: rows, start: row * rows.width)) }
  }

  func line(ofRow row: Int) -> Int? { nil }

  private struct Row: TableRow {
    let rows: JSONRows
    let start: Int

    func number(_ column: Int) -> Float? {
      guard let word = rows.words[start + column] else { return rows.values[start + column] }
      return word.isEmpty ? .nan : nil
    }

    func text(_ column: Int) -> String { rows.words[start + column] ?? rows.texts[start + column] }
  }
}
