import Kernels

extension TableSchema {
  /// Learns the columns of a table from `rows` alone. All of them are read.
  static func learn(_ cells: any TableCells, _ rows: RowMap, _ options: TableOptions) throws(Failure) -> TableSchema {
    let names = cells.columnNames
    try requireKnown(options, names, cells.name)
    let label = names.firstIndex(of: options.label)
    let used = names.indices.filter {
      $0 != label && names[$0] != options.time && !options.dropped.contains(names[$0])
    }
    guard !used.isEmpty else { throw .malformed(cells.name, "no column is left", hint: "drop fewer (data.drop)") }
    var isCategory = names.map(options.categorical.contains), hasMissing = false, hasWords = false
    try eachTrainingRow(cells, rows, "finding the columns of") { (row, cell) throws(Failure) in
      for column in used {
        let number = cell.number(column)
        hasMissing = hasMissing || number?.isNaN == true
        isCategory[column] = isCategory[column] || number == nil
        if number?.isInfinite == true, !isCategory[column] {
          throw .malformed(
            cells.name, "\(cells.place(row: row, column: column)): '\(cell.text(column))' is no finite number",
            hint: "leave the cell empty where the value is missing, or rescale the column")
        }
      }
      if let label { hasWords = hasWords || cell.number(label).map { Int(exactly: $0) == nil } ?? true }
    }
    let categories = used.filter { isCategory[$0] } + (hasWords ? [label].compactMap { $0 } : [])
    let found = try vocabularies(cells, rows, of: categories)
    return TableSchema(
      columns: used.map { Column(name: names[$0], categories: found[$0]) }, rows: rows.count, hasMissing: hasMissing,
      label: label.map { names[$0] }, labelNames: label.flatMap { found[$0] })
  }

  /// Returns the same sample columns with the labels of another column. Words are numbered in the order found in
  /// `rows`.
  func labelled(_ name: String, in cells: any TableCells, _ rows: RowMap) throws(Failure) -> TableSchema {
    guard !columns.contains(where: { $0.name == name }) else {
      throw Failure(
        .usage, "'\(name.printable)' is a column that the model sees, and cannot be the label",
        hint: "name a column that it was not trained on")
    }
    var options = TableOptions()
    options.label = name
    try Self.requireKnown(options, cells.columnNames, cells.name)
    guard let column = cells.columnNames.firstIndex(of: name) else { return self }
    var hasWords = false
    try Self.eachTrainingRow(cells, rows, "reading the labels of") { (_, cell) throws(Failure) in
      hasWords = hasWords || cell.number(column).map { Int(exactly: $0) == nil } ?? true
    }
    var labelled = self
    labelled.label = name
    labelled.labelNames = hasWords ? try Self.vocabularies(cells, rows, of: [column])[column] : nil
    return labelled
  }

  /// Throws unless all column names are unique and the options name existing columns.
  private static func requireKnown(_ options: TableOptions, _ names: [String], _ table: String) throws(Failure) {
    if let twice = Dictionary(grouping: names, by: { $0 }).filter({ $0.value.count > 1 }).keys.sorted().first {
      throw .malformed(
        table, "two columns are called '\(twice.printable)'", hint: "give every column a name of its own")
    }
    let asked =
      [("data.label", options.label), ("data.time", options.time)].map { ($0, $1.isEmpty ? [] : [$1]) } + [
        ("data.drop", options.dropped), ("data.categorical", options.categorical),
      ]
    for (key, wanted) in asked {
      guard let unknown = wanted.first(where: { !names.contains($0) }) else { continue }
      let list = names.prefix(20).map(\.printable).joined(separator: ", ")
      throw Failure(
        .badConfiguration, "\(key): \(table) has no column '\(unknown.printable)'", hint: "its columns: \(list)")
    }
  }

  /// Returns the distinct values of each of the given columns, sorted by their bytes.
  private static func vocabularies(
    _ cells: any TableCells, _ rows: RowMap, of columns: [Int]
  ) throws(Failure) -> [Int: [String]] {
    guard !columns.isEmpty else { return [:] }
    var found = Dictionary(uniqueKeysWithValues: columns.map { ($0, Set<String>()) })
    try eachTrainingRow(cells, rows, "finding the categories of") { (_, cell) throws(Failure) in
      for column in columns {
        let word = cell.text(column)
        guard !word.isEmpty else { continue }
        found[column]?.insert(word)
        guard found[column]?.count ?? 0 <= mostCategories else {
          throw .malformed(
            cells.name,
            "column \(column + 1) (\(cells.columnNames[column])) has more than \(mostCategories) different words",
            hint: "leave it out (data.drop) if it names the rows, or sort its values into fewer")
        }
      }
    }
    if let empty = columns.first(where: { found[$0]?.isEmpty ?? true }) {
      throw .malformed(
        cells.name, "column \(empty + 1) (\(cells.columnNames[empty])) has no value in any training row",
        hint: "leave it out (data.drop)")
    }
    return found.mapValues { $0.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
  }

  private static func eachTrainingRow(
    _ cells: any TableCells, _ rows: RowMap, _ doing: String,
    _ body: (Int, any TableRow) throws(Failure) -> Void
  ) throws(Failure) {
    let hull = rows.hull(0..<rows.count)
    let activity = Activity("\(doing) \(cells.name)", of: hull.count)
    defer { activity.end() }
    var next = 0
    try cells.eachRow(in: hull) { (row, cell) throws(Failure) in
      Activity.advance()
      guard next < rows.count, rows.row(next) == row else { return }
      next += 1
      try body(row, cell)
    }
  }
}
