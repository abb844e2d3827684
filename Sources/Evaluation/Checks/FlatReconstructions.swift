import Settings
import Training

/// Reconstructions hardly depend on the sample, so the score is little more than the distance from the mean of the
/// data.
///
/// In one published benchmark, the "VAE" column agrees with the norm of x to a tenth of a percentage point.
struct FlatReconstructions: Check {
  private static let share = 0.05, correlation = 0.95

  func findings(in facts: EvaluationFacts) -> [Finding] {
    let use = facts.use
    guard !facts.isCollapsed, use.dataVariance > 0, use.varianceRatio < FlatReconstructions.share,
      let correlation = use.distanceCorrelation, correlation > FlatReconstructions.correlation
    else { return [] }
    return [
      Finding(
        .warning, "flat reconstructions",
        "reconstructions have \(100 * use.varianceRatio, .figures) % of the data's variance, and -ELBO ranks "
          + "samples as their distance from the mean does (\(correlation, .figures))",
        settings: setting(facts), advice: facts.hasWeight && facts.weight > 1 ? nil : "or train longer")
    ]
  }

  private func setting(_ facts: EvaluationFacts) -> [String] {
    if facts.hasWeight, facts.weight > 1 {
      return WeightAdvice.less(facts.configuration, now: facts.weight).settings
    }
    return facts.configuration.model.likelihood == "gaussian" ? ["model.likelihood=gaussian_learned"] : []
  }
}
