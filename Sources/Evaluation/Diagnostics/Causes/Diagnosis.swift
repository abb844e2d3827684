import Training

/// A possible cause of a poor model and the symptoms that indicate it. Each cause has its own file and one line in
/// `Diagnosis.causes`.
package protocol Cause: Sendable {
  /// Returns the problem, the evidence in numbers and the setting to change, or nil if the symptoms do not indicate
  /// this cause.
  func examine(_ symptoms: Symptoms) -> Finding?
  /// Whether this cause is reported only if no other cause has been found to be a serious problem.
  var isLastResort: Bool { get }
}

extension Cause {
  package var isLastResort: Bool { false }
}

/// Determines why a model is poor from measured symptoms.
package enum Diagnosis {
  /// All causes. A cause precedes its effects, so of equally serious findings the cause is listed first.
  package static let causes: [any Cause] = [
    ConstantData(), LossScaling(), HeavyKL(), MissingKL(), LateKL(), NoisyLikelihood(), FastLearning(), IgnoredLatent(),
    UnusedKL(), LaggingInference(), StuckVariance(), FlatReconstructions(), Overfitted(), OversizedLatent(),
  ]

  /// Minimum number of samples for a diagnosis.
  package static let leastSamples = 30

  /// Findings in descending order of severity; empty for a healthy model and for fewer than `leastSamples` samples.
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
