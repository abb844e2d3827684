import Training

/// A way for a model to go wrong, and the signs that it is known by. One file each, one line in `Diagnosis.causes`.
package protocol Cause: Sendable {
  /// What is wrong, the evidence in numbers, and the setting to change; nil where there is no sign of it.
  func examine(_ symptoms: Symptoms) -> Finding?
}

package enum Diagnosis {
  /// What stands earlier brings about what stands later: of findings equally grave, the cause comes before its effects.
  package static let causes: [any Cause] = [
    LossScaling(), HeavyKL(), MissingKL(), LateKL(), NoisyLikelihood(), FastLearning(), IgnoredLatent(),
    LaggingInference(), StuckVariance(), FlatReconstructions(), Overfitted(), OversizedLatent(),
  ]

  /// The gravest first; empty for a healthy model.
  package static func findings(_ symptoms: Symptoms) -> [Finding] {
    let found = causes.compactMap { $0.examine(symptoms) }
    return found.enumerated().sorted { a, b in
      a.element.level != b.element.level ? a.element.level > b.element.level : a.offset < b.offset
    }.map(\.element)
  }
}
