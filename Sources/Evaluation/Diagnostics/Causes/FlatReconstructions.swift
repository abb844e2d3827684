import Training

/// Reconstructions hardly depend on the sample, so the score is little more than the distance from the mean of the
/// data.
///
/// In one published benchmark, the "VAE" column agrees with the norm of x to a tenth of a percentage point.
struct FlatReconstructions: Cause {
  private static let share = 0.05, correlation = 0.95

  func examine(_ symptoms: Symptoms) -> Finding? {
    let use = symptoms.use
    guard !symptoms.isCollapsed, use.dataVariance > 0, use.varianceRatio < FlatReconstructions.share,
      let correlation = use.distanceCorrelation, correlation > FlatReconstructions.correlation
    else { return nil }
    return Finding(
      .warning, "flat reconstructions",
      "reconstructions have \(figures(100 * use.varianceRatio)) % of the data's variance, and -ELBO ranks "
        + "samples as their distance from the mean does (\(figures(correlation)))",
      settings: setting(symptoms), advice: symptoms.hasWeight && symptoms.weight > 1 ? nil : "or train longer")
  }

  private func setting(_ symptoms: Symptoms) -> [String] {
    if symptoms.hasWeight, symptoms.weight > 1 {
      return WeightAdvice.less(symptoms.configuration, now: symptoms.weight).settings
    }
    return symptoms.configuration.model.likelihood == "gaussian" ? ["model.likelihood=gaussian_learned"] : []
  }
}
