import Settings
import Training

/// The output of the decoder does not depend on z, because of a dead layer or a decoder that does not read z.
///
/// A collapse that is caused by the objective is reported by other causes.
struct IgnoredLatent: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    guard symptoms.isCollapsed, symptoms.weight <= 1, symptoms.isDeaf else { return nil }
    let moved = symptoms.use.sampleVariance / symptoms.use.dataVariance
    let rate = symptoms.configuration.optimizer.learningRate
    return Finding(
      .problem, "decoder ignores z",
      "what the decoder gives for z from all over the prior varies by \(figures(moved)) of the data's variance, "
        + "though the KL weighs \(figures(symptoms.weight)): \(symptoms.collapse)",
      settings: ["model.activation=leaky_relu", "optimizer.learning_rate=\(decimalText(rate / 10))"],
      advice: "for dead units; a decoder of your own must read z")
  }
}
