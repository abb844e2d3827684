import Training

/// A way for a model to go wrong, and the signs that it is known by. One file each, one line in `Diagnosis.causes`.
package protocol Cause: Sendable {
  /// What is wrong, the evidence in numbers, and the setting to change; nil where there is no sign of it.
  func examine(_ symptoms: Symptoms) -> Finding?
  /// Named only where no other cause is grave.
  var isLastResort: Bool { get }
}

extension Cause {
  package var isLastResort: Bool { false }
}

package enum Diagnosis {
  /// What stands earlier brings about what stands later: of findings equally grave, the cause comes before its effects.
  package static let causes: [any Cause] = [
    ConstantData(), LossScaling(), HeavyKL(), MissingKL(), LateKL(), NoisyLikelihood(), FastLearning(), IgnoredLatent(),
    UnusedKL(), LaggingInference(), StuckVariance(), FlatReconstructions(), Overfitted(), OversizedLatent(),
  ]

  /// Fewer samples tell nothing.
  package static let leastSamples = 30

  /// The gravest first; empty for a healthy model, and for one of which too few samples were seen.
  package static func findings(_ symptoms: Symptoms) -> [Finding] {
    guard symptoms.use.samples >= leastSamples else { return [] }
    var found = causes.filter { !$0.isLastResort }.compactMap { $0.examine(symptoms) }
    if !found.contains(where: { $0.level == .problem }) {
      found = causes.compactMap { $0.examine(symptoms) }
    }
    return found.enumerated().sorted { a, b in
      a.element.level != b.element.level ? a.element.level > b.element.level : a.offset < b.offset
    }.map(\.element)
  }
}
