import Data
import Kernels
import Training

/// The rows that synthetic ones are made from and compared with, each part with one use.
///
/// Held-out rows are cut in two. From one half come the gate's thresholds: scores of rows that were trained on are lower
/// than those of others, and would make a gate that asks for too much. The other half is what classifiers are tested on, and
/// nothing else: a gate that had seen it would have chosen synthetic rows by the test's.
package struct RealRows {
  package struct Class: Equatable, Sendable {
    package let label: Int
    package let name: String
  }

  /// Empty where the data has no labels; rows are of class 0 then.
  package let classes: [Class]
  package let training: LabelledRows
  package let gate: LabelledRows
  /// The same, what is missing still missing.
  package let gateSeen: [Float]
  /// What the model is told of them, and of the training rows. (count, condition)
  package let gateTold: [Float]
  package let trainingTold: [Float]
  package let test: LabelledRows
  package let grid: ValueGrid
  /// Which rows of the training set these are.
  package let indices: [Int]
  package let available: Int

  /// Of more, evenly spaced rows stand for all: several copies are held.
  private static let mostValues = 3 << 24
  private static let mostRows = 60_000
  private static let leastHeldOut = 20

  package static func indices(of data: Dataset) -> [Int] {
    (0..<data.count).spaced(max(1, min(mostRows, mostValues / data.shape.elementCount)))
  }

  /// Reads both sets, which are scaled already.
  package init(_ sets: DataSplit, _ model: TrainedModel) throws(Failure) {
    let isLabelled = try sets.train.loadLabels(), width = model.shape.elementCount
    indices = RealRows.indices(of: sets.train)
    available = sets.train.count
    let labels = isLabelled ? indices.map { sets.train.label(at: $0) ?? 0 } : []
    let known = Set(labels).sorted()
    guard known.count <= 1_000 else {
      throw Failure(
        .badData, "\(sets.train.name) has \(known.count) different labels: they are no classes",
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

    trainingTold = sets.train.conditions(of: indices)

    let hasLabels = try sets.valid.loadLabels() && isLabelled
    // Of a class that training does not have, nothing can be said.
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
        hint: "train with more rows kept aside (data.validation: 0.2)")
    }
    gateSeen = heldSeen.rows(one).x
    gateTold = sets.valid.conditions(of: one.map { held[$0] })
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
