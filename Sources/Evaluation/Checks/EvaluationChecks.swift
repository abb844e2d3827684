import Training

/// The checks of a trained model.
package enum EvaluationChecks {
  /// All checks. A cause precedes its effects, so of equally serious findings the cause is listed first.
  package static let all: [any Check<EvaluationFacts>] = [
    ConstantData(), LossScaling(), HeavyKL(), MissingKL(), LateKL(), NoisyLikelihood(), FastLearning(), IgnoredLatent(),
    UnusedKL(), LaggingInference(), StuckVariance(), FlatReconstructions(), Overfitted(), OversizedLatent(),
  ]

  /// Minimum number of samples for a diagnosis.
  package static let leastSamples = 30

  /// Findings in descending order of severity; empty for a healthy model and for fewer than `leastSamples` samples.
  package static func findings(in facts: EvaluationFacts) -> [Finding] {
    facts.use.samples < leastSamples ? [] : all.findings(in: facts).gravestFirst
  }
}
