import Settings
import Training

/// The posterior's variance would leave the limits that it is held to.
///
/// Inside them it is learned; a hundredth of all values at a limit is no accident. At the lower one samples are points,
/// as an autoencoder's are; at the upper one the encoder has run away.
struct StuckVariance: Cause {
  private static let most = 0.01

  func examine(_ symptoms: Symptoms) -> Finding? {
    let use = symptoms.use, configuration = symptoms.configuration
    let isLow = use.clampedLow > StuckVariance.most
    guard isLow || use.clampedHigh > StuckVariance.most else { return nil }
    let share = isLow ? use.clampedLow : use.clampedHigh,
      limit = isLow ? configuration[.logvarLow] : configuration[.logvarHigh]
    let lower = decimalText(symptoms.configuration.optimizer.learningRate / 3)
    let advice = WeightAdvice.more(symptoms.configuration, now: symptoms.weight)
    let isLight = isLow && symptoms.hasWeight && symptoms.weight < 1
    return Finding(
      .warning, "variance at its limit",
      "\(figures(100 * share)) % of logvar stand at \(figures(limit))",
      settings: isLight
        ? advice.settings : [isLow ? "model.logvar_low=-20.0" : "optimizer.learning_rate=\(lower)"],
      advice: isLight ? advice.note : nil)
  }
}
