import Kernels

/// A reader with its labels and attributes, and the rows that the data sets over it have prepared.
final class Source {
  let reader: any SampleReader
  let labels: Labels?
  let attributes: Attributes?
  private var wanted: [Range<Int>] = []

  init(_ reader: any SampleReader, labels: Labels? = nil, attributes: Attributes? = nil) {
    self.reader = reader
    self.labels = labels
    self.attributes = attributes
  }

  /// Makes more rows readable. Rows that were prepared before stay readable.
  func prepare(_ ranges: [Range<Int>]) throws(Failure) {
    let union = merged(wanted + ranges)
    try reader.prepare(union)
    wanted = union
  }

  func covers(_ range: Range<Int>) -> Bool {
    range.isEmpty || wanted.contains { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound }
  }
}

/// Samples by index: a view of the rows of a source. Values are scaled and checked as they are read. Not thread-safe.
package final class Dataset {
  let source: Source
  private let map: RowMap

  package let count: Int
  package let shape: SampleShape
  package var element: ElementType { source.reader.element }
  package var name: String { source.reader.name }
  package var isDecoded: Bool { source.reader.isDecoded }
  package var columnNames: [String]? { source.reader.columnNames }
  package var classNames: [String]? { source.reader.classNames }
  /// The schema of a mixed table, whose samples may hold NaN for missing values.
  package var schema: TableSchema? { source.reader.schema }
  /// The windows over rows that samples consist of; nil where each sample is one row.
  package var windows: Windows? { schema?.windows }
  /// Returns the time of each row of the source as text; nil where there are no times.
  package func times() throws(Failure) -> [String]? { try source.reader.times() }
  /// The rows of the source that a sample covers: the rows of its window, or its own row.
  package func sourceRows(of index: Int) -> Range<Int> {
    let row = map.row(index)
    return windows?.rows(row) ?? row..<row + 1
  }
  /// Names of the generative factors of the samples where they are known: the columns of `factors(of:)`.
  package var factorNames: [String]? { source.reader.factorNames }
  /// Names of the attributes that describe each sample, where the source has attributes.
  package var attributeNames: [String]? { source.attributes?.names }
  /// SHA-256 of the source's fingerprint and of the choice of rows that this data set shows.
  package private(set) lazy var fingerprint: String = {
    let digest = SHA256()
    digest.update("\(source.reader.fingerprint) \(map.rows) \(map.part)")
    if map.limit != .max { digest.update(" \(map.limit)" + (map.isSpaced ? " spaced" : "")) }
    map.chosen?.withUnsafeBytes { digest.update($0) }
    return digest.finish()
  }()

  /// What a model is conditioned on; nil until `adopt` has been called.
  package internal(set) var condition: Condition?

  /// The fingerprint of the whole source, whichever of its rows this data set shows.
  package var sourceFingerprint: String { source.reader.fingerprint }

  package var scaling = Scaling.identity {
    didSet {
      let width = scaling.offset.count
      precondition(width == 1 || width == shape.elementCount, "scaling of \(width) elements for samples of \(shape)")
      decideChecks()
    }
  }

  /// What values must be after scaling. `fill` and `check` throw for other values.
  package enum Requirement: Sendable {
    case finite, unitInterval
    /// Finite, or NaN for a missing value.
    case finiteOrMissing
    /// Multiples of 1/255 in [0, 1].
    case levels
  }
  package var requirement = Requirement.finite {
    didSet { decideChecks() }
  }
  /// False where no stored value can violate the requirement.
  private var checksRows = true

  init(_ source: Source, _ map: RowMap) {
    self.source = source
    self.map = map
    count = map.count
    shape = source.reader.shape
    requirement = source.reader.schema == nil ? .finite : .finiteOrMissing
    decideChecks()
  }

  /// The values of bytes under a single scale are all known in advance, so that rows need no check if all values hold.
  private func decideChecks() {
    checksRows = true
    guard element == .u8, scaling.offset.count == 1 else { return }
    let values = (0...255).map { (Float($0) - scaling.offset[0]) * scaling.scale[0] }
    checksRows = !requirement.holds(values, values.count)
  }

  /// Returns a view of the first `count` samples with the same scaling, checks and condition.
  package func prefix(_ count: Int) -> Dataset { few(count, isSpaced: false) }

  /// Returns a view of at most `most` samples with the same scaling, checks and condition. They are evenly spaced,
  /// because many data sets are sorted.
  package func spaced(_ most: Int) -> Dataset { few(most, isSpaced: true) }

  private func few(_ most: Int, isSpaced: Bool) -> Dataset {
    let shown = RowMap(
      rows: map.rows, part: map.part, limit: min(most, count), isSpaced: isSpaced, chosen: map.chosen)
    let few = Dataset(source, shown)
    (few.scaling, few.requirement, few.condition) = (scaling, requirement, condition)
    return few
  }

  /// The smallest range of source rows that covers the samples of `range`.
  func rows(_ range: Range<Int>) -> Range<Int> {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(name): samples \(range) of \(count)")
    return map.hull(range)
  }

  /// Makes a range of samples readable, in addition to those already prepared.
  package func prepare(_ range: Range<Int>) throws(Failure) {
    try source.prepare([rows(range)])
  }

  /// Returns the moments of the stored values (before scaling) over a range of samples.
  package func moments(of range: Range<Int>) throws(Failure) -> Moments {
    var moments = Moments(width: shape.elementCount)
    try eachRow(of: range) { (index, row) throws(Failure) in
      let requirement = schema == nil ? Requirement.finite : .finiteOrMissing
      guard requirement.holds(row, shape.elementCount) else { throw badValue(index, requirement, raw: true) }
      moments.add(row)
    }
    return moments
  }

  /// Reads a range of samples once, so that bad values are reported before training begins.
  package func check(_ range: Range<Int>) throws(Failure) {
    if !checksRows { return try prepareIfNeeded(range) }
    try eachRow(of: range) { (index, row) throws(Failure) in
      scale(row)
      try examine(row, index)
    }
  }

  /// Writes the scaled values of prepared samples, row-major (indices.count, elementCount).
  package func fill(
    _ indices: UnsafeBufferPointer<Int>, into target: UnsafeMutablePointer<Float>
  ) throws(Failure) {
    let width = shape.elementCount
    let uniform = scaling.offset.count == 1
    let (offset, factor) = (scaling.offset[0], scaling.scale[0])
    for position in 0..<indices.count {
      let index = indices[position]
      precondition(index >= 0 && index < count, "\(name): sample \(index) of \(count)")
      let row = target + position * width
      if uniform, let bytes = source.reader.bytes(ofRow: map.row(index)) {
        vd_u8_to_f32(row, bytes, width, factor, -offset * factor)
      } else {
        try source.reader.read(row: map.row(index), into: row)
        scale(row)
      }
      if checksRows { try examine(row, index) }
    }
  }

  /// Returns the label of a sample; nil where the source has no readable labels (`loadLabels` throws the reason).
  package func label(at index: Int) -> Int? {
    guard let values = try? source.labels?.load(), index >= 0, index < count else { return nil }
    let row = map.row(index)
    return row < values.count ? values[row] : nil
  }

  /// Returns the factors of samples as integers from 0, row-major (indices.count, factorNames.count).
  package func factors(of indices: Range<Int>) -> [Int] {
    indices.flatMap { source.reader.factors(ofRow: map.row($0)) }
  }

  /// Returns the attributes of a sample; empty where the source has none. The first call reads them.
  package func attributes(at index: Int) throws(Failure) -> ArraySlice<Float> {
    guard let attributes = source.attributes else { return [] }
    let row = map.row(index), width = attributes.names.count
    return try attributes.load()[row * width..<(row + 1) * width]
  }

  /// Copies the attributes of a sample without allocating memory. They must have been loaded before.
  func copyAttributes(of index: Int, into target: UnsafeMutablePointer<Float>) {
    guard let attributes = source.attributes, let values = try? attributes.load() else {
      preconditionFailure("\(name): attributes used before they were read")
    }
    let row = map.row(index), width = attributes.names.count
    for j in 0..<width { target[j] = values[row * width + j] }
  }

  /// Reads the labels; returns false where the source has none.
  package func loadLabels() throws(Failure) -> Bool {
    guard let labels = source.labels else { return false }
    let values = try labels.load()
    guard values.count == source.reader.count else {
      throw .malformed(name, "has \(source.reader.count) samples, but \(values.count) labels")
    }
    return true
  }

  /// The stored bytes of a sample in place, where its values are contiguous bytes; nil otherwise.
  func storedBytes(of index: Int) -> UnsafePointer<UInt8>? { source.reader.bytes(ofRow: map.row(index)) }

  /// Writes the stored values of a prepared sample, (elementCount).
  package func readStored(_ index: Int, into row: UnsafeMutablePointer<Float>) throws(Failure) {
    try source.reader.read(row: map.row(index), into: row)
  }

  /// Returns the stored values of the rows that the windows of this data set cover, from the first such row to the
  /// last, as (rows, columns). Rows that no window covers are NaN. Empty where samples are not windows.
  package func sequence() throws(Failure) -> [Float] {
    guard let windows, count > 0 else { return [] }
    let width = shape.elementCount / windows.length, first = sourceRows(of: 0).lowerBound
    var values = [Float](repeating: .nan, count: (sourceRows(of: count - 1).upperBound - first) * width)
    try eachRow(of: 0..<count) { (index, row) throws(Failure) in
      let at = (sourceRows(of: index).lowerBound - first) * width
      for element in 0..<shape.elementCount { values[at + element] = row[element] }
    }
    return values
  }

  private func prepareIfNeeded(_ range: Range<Int>) throws(Failure) {
    if !source.covers(rows(range)) { try prepare(range) }
  }

  /// Calls `body` with the index and the stored values of each sample, in a buffer that `body` may change.
  private func eachRow(
    of range: Range<Int>, _ body: (Int, UnsafeMutablePointer<Float>) throws(Failure) -> Void
  ) throws(Failure) {
    try prepareIfNeeded(range)
    let row = UnsafeMutablePointer<Float>.allocate(capacity: shape.elementCount)
    defer { row.deallocate() }
    for index in range {
      try source.reader.read(row: map.row(index), into: row)
      try body(index, row)
      Activity.advance()
    }
  }

  private func scale(_ row: UnsafeMutablePointer<Float>) {
    let width = shape.elementCount
    if scaling.offset.count == 1 {
      let (offset, factor) = (scaling.offset[0], scaling.scale[0])
      if offset == 0, factor == 1 { return }
      for j in 0..<width { row[j] = (row[j] - offset) * factor }
    } else {
      scaling.offset.withUnsafeBufferPointer { offset in
        scaling.scale.withUnsafeBufferPointer { factor in
          guard let offset = offset.baseAddress, let factor = factor.baseAddress else { return }
          vd_standardize(row, offset, factor, width)
        }
      }
    }
  }

  private func examine(_ row: UnsafePointer<Float>, _ index: Int) throws(Failure) {
    if !requirement.holds(row, shape.elementCount) { throw badValue(index, requirement, raw: false) }
  }

  /// Describes the bad value of a sample. It reads the sample again, so that the fast path need not keep stored values.
  private func badValue(_ index: Int, _ requirement: Requirement, raw: Bool) -> Failure {
    let width = shape.elementCount
    let buffer = UnsafeMutablePointer<Float>.allocate(capacity: 2 * width)
    defer { buffer.deallocate() }
    let (stored, scaled) = (buffer, buffer + width)
    let row = map.row(index)
    do { try source.reader.read(row: row, into: stored) } catch { return error }
    scaled.update(from: stored, count: width)
    if !raw { scale(scaled) }
    let bad = (0..<width).first { !requirement.holds(scaled + $0, 1) } ?? 0
    let line = source.reader.line(ofRow: row).map { " (line \($0))" } ?? ""
    let place = "row \(row + 1)\(line), \(shape.place(of: bad, columnNames: columnNames))"
    if !stored[bad].isFinite {
      return .malformed(
        name, "\(place): the value \(stored[bad]) is not a finite 32-bit number",
        hint: "drop the row or fill the value in before training")
    }
    if !scaled[bad].isFinite {
      return .malformed(name, "\(place): the value \(stored[bad]) is not finite after scaling")
    }
    let value = "\(place): the value \(stored[bad]) becomes \(scaled[bad]) after scaling"
    if requirement == .levels {
      return .malformed(
        name, "\(value), which is not a multiple of 1/255 from 0 to 1",
        hint: "the likelihood counts 256 levels: give 8-bit images (data.scale: unit), or choose another likelihood")
    }
    return .malformed(
      name, "\(value), which is outside [0, 1]",
      hint: "the likelihood or the objective needs values from 0 to 1: rescale the data, or choose another likelihood")
  }
}

/// Bounds of the unit interval with a tolerance for the rounding of one multiplication.
let unitLow: Float = -1e-6
let unitHigh: Float = 1 + 1e-6

extension Dataset.Requirement {
  fileprivate func holds(_ row: UnsafePointer<Float>, _ count: Int) -> Bool {
    switch self {
    case .finite: return vd_all_finite(row, count) != 0
    case .finiteOrMissing: return vd_all_finite(row, count) != 0 || (0..<count).allSatisfy { !row[$0].isInfinite }
    case .levels: return vd_all_levels(row, count) != 0
    case .unitInterval:
      var low: Float = 0, high: Float = 0
      vd_range(row, count, &low, &high)
      return low >= unitLow && high <= unitHigh
    }
  }
}
