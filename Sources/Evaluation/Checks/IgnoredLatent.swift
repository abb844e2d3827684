import Settings
import Training

/// The output of the decoder does not depend on z, because of a dead layer or a decoder that does not read z.
///
/// A collapse that is caused by the objective is reported by other checks.
struct IgnoredLatent: Check {
  func findings(in facts: EvaluationFacts) -> [Finding] {
    guard facts.isCollapsed, facts.weight <= 1, facts.isDeaf else { return [] }
    let moved = facts.use.sampleVariance / facts.use.dataVariance
    let rate = facts.configuration.optimizer.learningRate
    return [
      Finding(
        .problem, "decoder ignores z",
        "what the decoder gives for z from all over the prior varies by \(moved, .figures) of the data's variance, "
          + "though the KL weighs \(facts.weight, .figures): \(facts.collapse)",
        settings: ["model.activation=leaky_relu", "optimizer.learning_rate=\(rate / 10, .decimal)"],
        advice: "for dead units; a decoder of your own must read z")
    ]
  }
}
