import Data
import Kernels
import Training

/// The real rows that synthetic rows are generated from and compared with. Each part has one purpose.
///
/// If there are at least two classes, the held-out rows are divided into two halves. The thresholds of the gate are
/// computed from the first half, because scores of training rows are lower and would give thresholds that are too
/// strict. Classifiers are tested on the second half only. If the gate used it too, synthetic rows would be selected
/// with the help of the test set. Without classes there is no classifier test, and the gate uses all held-out rows.
package struct RealRows {
  package struct Class: Equatable, Sendable {
    package let label: Int
    package let name: String
  }

  /// The classes; empty if the data has no labels, in which case all rows have class 0.
  package let classes: [Class]
  package let training: LabelledRows
  package let gate: LabelledRows
  /// The rows of `gate` in which missing values are NaN.
  package let gateSeen: [Float]
  /// What the model is conditioned on for the rows of `gate`. (count, condition)
  package let gateConditions: [Float]
  /// What the model is conditioned on for the rows of `training`. (count, condition)
  package let trainingConditions: [Float]
  package let test: LabelledRows
  package let grid: ValueGrid
  /// Indices of these rows in the training set. `available` is the size of that set.
  package let indices: [Int]
  package let available: Int

  /// Limits on the values and rows kept in memory, because several copies are made. Larger sets are sampled evenly.
  private static let mostValues = 3 << 24
  private static let mostRows = 60_000
  private static let leastHeldOut = 20

  /// Indices of the samples of a data set that are used, evenly spaced.
  package static func indices(of data: Dataset) -> [Int] {
    (0..<data.count).spaced(max(1, min(mostRows, mostValues / data.shape.elementCount)))
  }

  /// Reads both sets, which must already have their scaling.
  package init(_ sets: DataSplit, _ model: TrainedModel) throws(Failure) {
    let isLabelled = try sets.train.loadLabels(), width = model.shape.elementCount
    indices = RealRows.indices(of: sets.train)
    available = sets.train.count
    let labels = isLabelled ? indices.map { sets.train.label(at: $0) ?? 0 } : []
    let known = Set(labels).sorted()
    guard known.count <= 1_000 else {
      throw Failure(
        .badData, "\(sets.train.name) has \(known.count) different labels, which is too many for classes",
        hint: "give data whose labels are classes")
    }
    classes = known.map { label in
      let names = sets.train.classNames
      return Class(label: label, name: names.flatMap { $0.indices.contains(label) ? $0[label] : nil } ?? "\(label)")
    }
    func places(_ labels: [Int]) -> [Int] { labels.map { known.firstIndex(of: $0) ?? 0 } }

    let seen = try RealRows.read(sets.train, indices)
    let grid = ValueGrid(seen, shape: model.shape, schema: model.schema, scaling: model.file.metadata.scaling)
    self.grid = grid
    func rows(_ x: [Float], _ classes: [Int]) -> LabelledRows {
      LabelledRows(grid.project(x).map { $0.isNaN ? 0 : $0 }, classes: classes, width: width)
    }
    training = rows(seen, isLabelled ? places(labels) : indices.map { _ in 0 })

    trainingConditions = sets.train.conditions(of: indices)

    let hasLabels = try sets.valid.loadLabels() && isLabelled
    // Rows of a class that does not occur in training are ignored.
    let held = RealRows.indices(of: sets.valid).filter { index in
      !hasLabels || sets.valid.label(at: index).map(known.contains) ?? false
    }
    let heldClasses = hasLabels ? places(held.map { sets.valid.label(at: $0) ?? 0 }) : held.map { _ in 0 }
    let heldSeen = LabelledRows(try RealRows.read(sets.valid, held), classes: heldClasses, width: width)
    let (one, other) = hasLabels && known.count > 1 ? heldSeen.halves : (Array(held.indices), [])
    guard one.count >= RealRows.leastHeldOut else {
      throw Failure(
        .badData,
        "\(held.count) held-out rows are too few: the gate's thresholds come from half of them, at least "
          + "\(RealRows.leastHeldOut)",
        hint: "train with more held-out rows (data.validation: 0.2)")
    }
    gateSeen = heldSeen.rows(one).x
    gateConditions = sets.valid.conditions(of: one.map { held[$0] })
    gate = rows(gateSeen, one.map { heldClasses[$0] })
    test = rows(heldSeen.rows(other).x, other.map { heldClasses[$0] })
  }

  private static func read(_ data: Dataset, _ indices: [Int]) throws(Failure) -> [Float] {
    let width = data.shape.elementCount
    var x = [Float](repeating: 0, count: indices.count * width)
    guard let first = indices.first, let last = indices.last else { return x }
    let activity = Activity("reading \(data.name)", of: indices.count)
    defer { activity.end() }
    try data.prepare(first..<last + 1)
    try x.withUnsafeMutableBufferPointer { x throws(Failure) in
      for (row, index) in indices.enumerated() {
        var one = index
        let target = x.baseAddress! + row * width
        try withUnsafePointer(to: &one) { one throws(Failure) in
          try data.fill(UnsafeBufferPointer(start: one, count: 1), into: target)
        }
        Activity.advance()
      }
    }
    return x
  }
}
