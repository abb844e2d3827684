import Settings
import Training

/// The variance of the posterior is at the limits of its allowed range.
///
/// The variance is learned within these limits, so more than 1 % of all values at a limit is not a coincidence. At the
/// lower limit, samples of z are almost deterministic, as in a plain autoencoder. At the upper limit, the encoder has
/// diverged.
struct StuckVariance: Check {
  private static let most = 0.01

  func findings(in facts: EvaluationFacts) -> [Finding] {
    let use = facts.use, configuration = facts.configuration
    let isLow = use.clampedLow > StuckVariance.most
    guard isLow || use.clampedHigh > StuckVariance.most else { return [] }
    let share = isLow ? use.clampedLow : use.clampedHigh,
      limit = isLow ? configuration[.logvarLow] : configuration[.logvarHigh]
    let lower = "\(facts.configuration.optimizer.learningRate / 3, .decimal)"
    let advice = WeightAdvice.more(facts.configuration, now: facts.weight)
    let isLight = isLow && facts.hasWeight && facts.weight < 1
    return [
      Finding(
        .warning, "variance at its limit",
        "\(100 * share, .figures) % of logvar stand at \(limit, .figures)",
        settings: isLight
          ? advice.settings : [isLow ? "model.logvar_low=-20.0" : "optimizer.learning_rate=\(lower)"],
        advice: isLight ? advice.note : nil)
    ]
  }
}
