import Settings
import Training

/// The variance of the posterior is at the limits of its allowed range.
///
/// The variance is learned within these limits, so more than 1 % of all values at a limit is not a coincidence. At the
/// lower limit, samples of z are almost deterministic, as in a plain autoencoder. At the upper limit, the encoder has
/// diverged.
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
