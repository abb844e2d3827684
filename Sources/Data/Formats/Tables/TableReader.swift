import Kernels

/// The rows of a table in the form of a schema. A row is stored as one float32 per column (for a category, its index)
/// and is expanded to its elements when it is read.
final class TableReader: SampleReader {
  let name: String
  let count: Int
  let shape: SampleShape
  let element = ElementType.text
  let columnNames: [String]?
  private(set) lazy var fingerprint: String = {
    let digest = SHA256()
    if let schema { digest.update("\(cells.fingerprint) \(schema)") }
    return digest.finish()
  }()
  let schema: TableSchema?
  let classNames: [String]?

  private let cells: any TableCells
  private let columns: [TableSchema.Column]
  /// The index of each column in the file.
  private let places: [Int]
  private let codes: [[String: Int]]
  /// The index of the time column if the file has one.
  private let timePlace: Int?
  private var store: RowStore?

  /// Finds the columns by name, in any order; the label column may be absent. The columns of an array have no names and
  /// must be in the order of training.
  init(_ cells: any TableCells, _ schema: TableSchema, dropped: [String], time: String = "") throws(Failure) {
    precondition(schema.windows == nil, "TableReader: reads rows, and a WindowReader windows over them")
    self.cells = cells
    self.schema = schema
    (name, count, columns) = (cells.name, cells.count, schema.columns)
    guard checkedProduct([cells.count, schema.width, 4]) != nil, schema.width <= ArrayLayout.maximumElementCount else {
      throw .malformed(cells.name, "claims an absurd size: \(cells.count) x \(schema.width)")
    }
    shape = .vector(schema.width)
    columnNames = schema.elementNames
    classNames = schema.labelNames
    let isInOrder = !cells.hasNames && cells.columnNames.count == schema.columns.count
    let names = isInOrder ? schema.columns.map(\.name) : cells.columnNames
    var places: [Int] = []
    for column in schema.columns {
      guard let place = names.firstIndex(of: column.name) else {
        throw .malformed(
          cells.name, "has no column '\(column.name.printable)'",
          hint: "the model was trained on these columns: \(TableReader.list(schema.columns.map(\.name)))")
      }
      places.append(place)
    }
    timePlace = time.isEmpty ? nil : names.firstIndex(of: time)
    let known = Set(schema.columns.map(\.name) + dropped + [time] + (schema.label.map { [$0] } ?? []))
    if let foreign = names.first(where: { !known.contains($0) }) {
      throw .malformed(
        cells.name, "column '\(foreign.printable)' was not there in training",
        hint: "if it has the labels, name it (score: --label); else give the columns that the model was trained on: "
          + TableReader.list(schema.columns.map(\.name)))
    }
    self.places = places
    codes = schema.columns.map { column in
      Dictionary(uniqueKeysWithValues: (column.categories ?? []).enumerated().map { ($1, $0) })
    }
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(20).map(\.printable).joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
  }

  func prepare(_ ranges: [Range<Int>]) throws(Failure) {
    let ranges = merged(ranges)
    if let store, store.ranges == ranges { return }
    let fresh = try RowStore(ranges, rowBytes: 4 * columns.count, name: name)
    let activity = Activity("reading \(name)", of: ranges.reduce(0) { $0 + $1.count })
    defer { activity.end() }
    for range in ranges {
      try cells.eachRow(in: range) { (row, cell) throws(Failure) in
        let target = fresh.row(row).bindMemory(to: Float.self, capacity: columns.count)
        for (column, place) in places.enumerated() { target[column] = try code(cell, place, column, row: row) }
        Activity.advance()
      }
    }
    store = fresh
  }

  private func code(_ cell: any TableRow, _ place: Int, _ column: Int, row: Int) throws(Failure) -> Float {
    if let categories = columns[column].categories {
      let word = cell.text(place)
      return word.isEmpty ? .nan : Float(codes[column][word] ?? categories.count)
    }
    guard let number = cell.number(place), !number.isInfinite else {
      throw .malformed(
        name,
        "\(cells.place(row: row, column: place)): '\(cell.text(place).printable)' is no finite number, as "
          + "all values of this column were in training",
        hint: "leave the cell empty where the value is missing")
    }
    return number
  }

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    guard let store else { preconditionFailure("\(name): read before prepare") }
    let values = store.row(row).bindMemory(to: Float.self, capacity: columns.count)
    var element = target
    for (index, column) in columns.enumerated() {
      let value = values[index], size = column.size
      if column.categories == nil {
        element[0] = value
      } else {
        for k in 0..<size { element[k] = value.isNaN ? .nan : value == Float(k) ? 1 : 0 }
      }
      element += size
    }
  }

  func line(ofRow row: Int) -> Int? { cells.line(ofRow: row) }

  /// Returns the time of each row as text; nil without a time column.
  func times() throws(Failure) -> [String]? {
    guard let timePlace else { return nil }
    var values: [String] = []
    values.reserveCapacity(count)
    try cells.eachRow(in: 0..<count) { (_, cell) throws(Failure) in values.append(cell.text(timePlace)) }
    return values
  }

  /// The labels of the rows, nil without a label column. They are integers, or indices into the schema's label names; a
  /// word that is not among those names gets the next index.
  var labels: Labels? {
    guard let label = schema?.label, let place = cells.columnNames.firstIndex(of: label) else { return nil }
    let names = schema?.labelNames
    return Labels { [cells] () throws(Failure) in
      var values: [Int] = []
      values.reserveCapacity(cells.count)
      try cells.eachRow(in: 0..<cells.count) { (row, cell) throws(Failure) in
        if let names {
          values.append(names.firstIndex(of: cell.text(place)) ?? names.count)
        } else if let value = cell.number(place).flatMap({ Int(exactly: $0) }) {
          values.append(value)
        } else {
          throw .malformed(
            cells.name, "\(cells.place(row: row, column: place)): '\(cell.text(place).printable)' is no label",
            hint: "labels of this table are whole numbers")
        }
      }
      return values
    }
  }
}
