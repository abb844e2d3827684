import Kernels

/// Statistics of a data set, found by reading all of it once.
package struct Inspection {
  /// A value that is not finite, with its 1-based row and its place within the row.
  package struct Place: Sendable {
    package let row: Int
    package let place: String
    package let value: Float
  }

  package let name: String
  package let count: Int
  package let shape: SampleShape
  package let element: ElementType
  package let columnNames: [String]?
  package let classNames: [String]?
  package let factorNames: [String]?
  /// Moments of the finite rows.
  package private(set) var moments: Moments
  /// Number of rows with a value that is not finite, and the first such values.
  package private(set) var brokenRows = 0
  package private(set) var notFinite: [Place] = []
  /// Number of rows that cannot be read, and the reason why the first cannot.
  package private(set) var unreadableRows = 0
  package private(set) var unreadable: [Failure] = []
  /// Number of rows that repeat an earlier row, and the first such pair.
  package private(set) var duplicates = 0
  package private(set) var firstDuplicate: (row: Int, of: Int)?
  package private(set) var isBinary = true
  package private(set) var isWhole = true
  /// Number of samples of each label, in ascending order of labels; nil where there are no labels.
  package private(set) var classes: [(label: Int, count: Int)]?

  /// Principal components of samples spread over the whole data set, with the columns of a table standardised; nil
  /// where the samples are too few or too large.
  package private(set) var spectrum: PrincipalSpectrum?
  /// The stored values of those samples, row-major.
  package private(set) var sampled: [Float] = []

  private static let shown = 10

  package init(_ data: Dataset) throws(Failure) {
    name = data.name
    count = data.count
    shape = data.shape
    element = data.element
    columnNames = data.columnNames
    classNames = data.classNames
    factorNames = data.factorNames
    moments = Moments(width: shape.elementCount)
    try data.prepare(0..<count)
    if try data.loadLabels() {
      var counts: [Int: Int] = [:]
      for index in 0..<count { counts[data.label(at: index) ?? 0, default: 0] += 1 }
      classes = counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
    let row = Buffer(count: shape.elementCount)
    let wanted = PrincipalSpectrum.samples(of: count, width: shape.elementCount)
    var seen: [UInt64: Int] = [:]
    seen.reserveCapacity(count)
    let activity = Activity("inspecting \(name)", of: count)
    defer { activity.end() }
    for index in 0..<count {
      Activity.advance()
      do throws(Failure) { try data.readStored(index, into: row.base) } catch {
        unreadableRows += 1
        if unreadable.count < Self.shown { unreadable.append(error) }
        continue
      }
      add(row.base, index)
      // Keep the first row of each of `wanted` parts of the data set.
      if wanted > 0, index * wanted % count < wanted { keep(row.base) }
      let key = hash(row.base)
      if let first = seen[key] {
        duplicates += 1
        if firstDuplicate == nil { firstDuplicate = (index + 1, first + 1) }
      } else {
        seen[key] = index
      }
    }
    spectrum = PrincipalSpectrum(shape.isImage ? sampled : standardised, width: shape.elementCount)
  }

  private mutating func keep(_ row: UnsafePointer<Float>) {
    guard vd_all_finite(row, shape.elementCount) != 0 else { return }
    sampled += UnsafeBufferPointer(start: row, count: shape.elementCount)
  }

  private var standardised: [Float] {
    let width = shape.elementCount, deviations = (0..<width).map { moments.variance($0).squareRoot() }
    return sampled.enumerated().map { at, value in
      let deviation = deviations[at % width]
      return deviation > 1e-12 ? Float((Double(value) - moments.mean[at % width]) / deviation) : 0
    }
  }

  private mutating func add(_ row: UnsafePointer<Float>, _ index: Int) {
    let width = shape.elementCount
    guard vd_all_finite(row, width) != 0 else {
      brokenRows += 1
      for j in 0..<width where !row[j].isFinite && notFinite.count < Self.shown {
        notFinite.append(Place(row: index + 1, place: shape.place(of: j, columnNames: columnNames), value: row[j]))
      }
      return
    }
    moments.add(row)
    if isBinary { isBinary = (0..<width).allSatisfy { row[$0] == 0 || row[$0] == 1 } }
    if isWhole { isWhole = isBinary || (0..<width).allSatisfy { row[$0] == row[$0].rounded() } }
  }

  /// 64-bit hash of a row's values. A collision of two different rows is less likely than a disk error.
  private func hash(_ row: UnsafePointer<Float>) -> UInt64 {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    for j in 0..<shape.elementCount {
      state = (state ^ UInt64(row[j].bitPattern)) &* 0xff51_afd7_ed55_8ccd
      state ^= state >> 32
    }
    return state
  }

  package var isSound: Bool { brokenRows == 0 && unreadableRows == 0 }

  /// Indices of the elements that have the same value in all samples.
  package var constants: [Int] {
    moments.count == 0 ? [] : (0..<moments.width).filter { moments.minimum[$0] == moments.maximum[$0] }
  }

  /// Mean and standard deviation of all values of a channel, or of all channels if `channel` is nil.
  package func overall(channel: Int? = nil) -> (mean: Double, deviation: Double) {
    let elements = (0..<moments.width).filter { channel == nil || $0 % shape.channels == channel }
    let n = Double(max(elements.count, 1))
    let mean = elements.reduce(0) { $0 + moments.mean[$1] } / n
    let variance = elements.reduce(0) { total, j in
      let delta = moments.mean[j] - mean
      return total + moments.variance(j) + delta * delta
    }
    return (mean, (variance / n).squareRoot())
  }

  /// Whether all values lie in [0, 1] after the scaling that `data.scale: auto` chooses.
  package var fitsUnitInterval: Bool {
    let scaling = defaultScaling(element: element, maximum: moments.largest)
    let ends = [moments.smallest, moments.largest].map { (Float($0) - scaling.offset[0]) * scaling.scale[0] }
    return moments.count > 0 && ends[0] >= unitLow && ends[1] <= unitHigh
  }
}
