import Kernels

/// Training and validation samples.
package struct DataSplit {
  package var train: Dataset
  package var valid: Dataset

  /// Returns the first `count` training samples as both sets. They are two objects, because each has its own scaling
  /// and checks.
  package func first(_ count: Int) -> DataSplit { DataSplit(train: train.prefix(count), valid: train.prefix(count)) }

  /// Prepares a range of each set. A compressed file that holds both sets is streamed once instead of twice.
  package func prepare(train trainRange: Range<Int>, valid validRange: Range<Int>) throws(Failure) {
    if train.source === valid.source {
      try train.source.prepare([train.rows(trainRange), valid.rows(validRange)])
    } else {
      try train.prepare(trainRange)
      try valid.prepare(validRange)
    }
  }
}

/// Opens training and validation data.
///
/// - spec: a word such as `digits`, or a path.
/// - validation: nil for the source's own validation rows or, where it has none, a fraction of 0.1; a fraction in (0,
///   1) of the training rows; or another SPEC, whose validation rows are used where it has some and all rows otherwise.
/// - classes: the labels of the rows to show; empty for all rows.
package func openData(
  _ spec: String, validation: String?, images: ImageOptions = ImageOptions(), classes: [Int] = [],
  table: TableOptions = TableOptions(), schema: TableSchema? = nil
) throws(Failure) -> DataSplit {
  let split = table.windows == nil ? evenly : inTime
  var (train, valid) = try parts(of: spec, validation: validation, images: images, split) { part throws(Failure) in
    try choose(classes, of: part, table)
  }
  if table.isMixed {
    let isOne = train.source === valid.source
    let (source, schema) = try train.source.table(table, schema, training: train.rows)
    train.source = source
    valid.source = isOne ? source : try valid.source.table(table, schema, training: valid.rows).source
    (train.rows, valid.rows) = (try sampled(train, table), try sampled(valid, table))
  }
  let sets = DataSplit(train: Dataset(train.source, train.rows), valid: Dataset(valid.source, valid.rows))
  try checkMatch(sets.train, sets.valid)
  return sets
}

/// The samples in the rows of a table: each row is a sample, or samples are windows over the rows.
private func sampled(_ part: Part, _ table: TableOptions) throws(Failure) -> RowMap {
  guard let windows = table.windows else { return part.rows }
  let samples = windows.samples(in: part.rows.rows)
  guard !samples.isEmpty else {
    throw .malformed(
      part.source.reader.name,
      "the rows for training or validation are \(part.rows.rows.count), and a sample is a window of "
        + "\(windows.length)", hint: "give more rows, a shorter window (data.window) or another validation set")
  }
  return RowMap(rows: samples, part: .all)
}

private typealias Part = (source: Source, rows: RowMap)

/// Takes validation rows that are evenly spaced among the training rows.
private func evenly(_ all: RowMap, _ validation: Int) -> (train: RowMap, valid: RowMap) {
  (
    RowMap(rows: all.rows, part: .training(validation: validation), chosen: all.chosen),
    RowMap(rows: all.rows, part: .validation(validation), chosen: all.chosen)
  )
}

/// Takes the last rows for validation, because windows around interspersed validation rows would share rows with
/// training.
private func inTime(_ all: RowMap, _ validation: Int) -> (train: RowMap, valid: RowMap) {
  let end = all.rows.upperBound - validation
  return (RowMap(rows: all.rows.lowerBound..<end, part: .all), RowMap(rows: end..<all.rows.upperBound, part: .all))
}

/// - split: divides all rows, given the number of validation rows.
/// - choose: selects the rows of a source to show.
private func parts(
  of spec: String, validation: String?, images: ImageOptions,
  _ split: (RowMap, Int) -> (train: RowMap, valid: RowMap),
  choose: ((source: Source, rows: Range<Int>)) throws(Failure) -> Part
) throws(Failure) -> (train: Part, valid: Part) {
  let opened = try open(spec: spec, images: images)
  if let validation, Double(validation) == nil {
    let other = try open(spec: validation, images: images)
    return (try choose(opened.train), try choose(other.valid ?? other.train))
  }
  if validation == nil, let valid = opened.valid { return (try choose(opened.train), try choose(valid)) }
  let fraction = validation.flatMap(Double.init) ?? 0.1
  guard fraction > 0, fraction < 1 else {
    throw Failure(
      .usage, "validation \(fraction): a fraction lies between 0 and 1",
      hint: "give a fraction such as 0.1, or a second data set")
  }
  let (source, all) = try choose(opened.train)
  guard all.count > 1 else {
    throw .malformed(
      spec, "holds one row, which cannot be split into training and validation rows",
      hint: "give more rows, or a second data set to validate on")
  }
  let rows = split(all, validationCount(fraction, of: all.count))
  return ((source, rows.train), (source, rows.valid))
}

/// The rows of the given classes; all rows if `classes` is empty.
private func choose(
  _ classes: [Int], of part: (source: Source, rows: Range<Int>), _ table: TableOptions
) throws(Failure) -> Part {
  guard !classes.isEmpty else { return whole(part) }
  let name = part.source.reader.name
  var known = part.source.labels
  if known == nil, table.isMixed, !table.label.isEmpty {
    known = try part.source.table(table, training: whole(part).rows).source.labels
  }
  guard let labels = try known?.load() else {
    throw .malformed(
      name, "has no labels, but data.classes names classes", hint: "give labelled data, or data.classes: []")
  }
  let rows = part.rows.filter { $0 < labels.count && classes.contains(labels[$0]) }
  guard !rows.isEmpty else {
    let list = Set(labels).sorted().prefix(12).map(String.init).joined(separator: ", ")
    throw .malformed(name, "has no row of the classes \(classes)", hint: "data.classes may name \(list)")
  }
  return (part.source, RowMap(rows: 0..<rows.count, part: .all, chosen: rows))
}

/// Opens all samples of a source and its own validation samples, where it has some. The columns of a table are those of
/// `schema`, or are learned from all of its rows.
package func openWhole(
  _ spec: String, images: ImageOptions, table: TableOptions = TableOptions(), schema: TableSchema? = nil
) throws(Failure) -> (train: Dataset, valid: Dataset?) {
  let opened = try open(spec: spec, images: images)
  var train = whole(opened.train), valid = opened.valid.map(whole)
  if table.isMixed {
    let made = try train.source.table(table, schema, training: train.rows)
    train.source = made.source
    if let part = valid {
      valid?.source = try part.source.table(table, made.schema, training: part.rows).source
    }
    if let part = valid { valid?.rows = try sampled(part, table) }
    train.rows = try sampled(train, table)
  }
  return (Dataset(train.source, train.rows), valid.map { Dataset($0.source, $0.rows) })
}

private func whole(_ part: (source: Source, rows: Range<Int>)) -> Part {
  (part.source, RowMap(rows: part.rows, part: .all))
}

private func checkMatch(_ train: Dataset, _ valid: Dataset) throws(Failure) {
  guard train.shape == valid.shape else {
    throw .malformed(
      valid.name, "its samples are \(valid.shape), but those of \(train.name) are \(train.shape)",
      hint: "train and validate on samples of one shape")
  }
  guard let names = train.columnNames, let others = valid.columnNames, names != others else { return }
  let first = zip(names, others).enumerated().first { $1.0 != $1.1 }
  let detail =
    first.map { "column \($0 + 1) is \($1.1), but \($1.0) in \(train.name)" }
    ?? "its columns differ from those of \(train.name)"
  throw .malformed(valid.name, detail, hint: "give both files the same columns in the same order")
}
