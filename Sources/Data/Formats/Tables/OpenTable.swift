import Kernels

extension Source {
  /// The cells of this source; nil if it is not a table, such as a set of images.
  private var cells: (any TableCells)? {
    if let text = reader as? CSVReader { return CSVCells(text.lines) }
    guard let array = reader as? ArrayReader, !array.shape.isImage else { return nil }
    return ArrayCells(array)
  }

  /// Returns the same rows with the columns of `schema`. Without a schema, one is learned from the rows of `training`.
  func table(
    _ options: TableOptions, _ schema: TableSchema? = nil, training rows: RowMap
  ) throws(Failure) -> (source: Source, schema: TableSchema) {
    guard let cells else {
      throw .malformed(
        reader.name, "data.columns is mixed, and this is no table",
        hint: "give a .csv with names in its first line, or an array of (rows, columns) as .npy or .npz; or set "
          + "data.columns to numbers")
    }
    let seen = if let schema { schema.ofRows } else { try TableSchema.learn(cells, rows, options) }
    let isOther = !options.label.isEmpty && options.label != seen.label
    let schema = isOther ? try seen.labelled(options.label, in: cells, rows) : seen
    let table = try TableReader(
      cells, schema, dropped: options.dropped + [seen.label].compactMap { $0 }, time: options.time)
    var sampled = schema
    sampled.windows = options.windows
    if let windows = try table.windows(sampled) { return (Source(windows, labels: windows.labels), sampled) }
    // The labels of an archive are an array of their own.
    return (Source(table, labels: schema.label == nil ? labels : table.labels), schema)
  }
}
