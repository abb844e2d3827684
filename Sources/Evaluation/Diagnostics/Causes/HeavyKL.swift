import Training

/// A KL that weighs more than 1 is not paid for by reconstruction that gains less than as many times its nats.
///
/// Higgins et al., "beta-VAE", ICLR 2017, want fewer units for that; a collapse, or a quarter of them, is too few.
/// Units that the data could not fill (`WideLatent`) do not count.
struct HeavyKL: Cause {
  private static let part = 4

  func examine(_ symptoms: Symptoms) -> Finding? {
    // A mean has a cause of its own.
    guard symptoms.hasWeight, symptoms.weight > 1, LossScaling().examine(symptoms) == nil else { return nil }
    let latent = symptoms.elbo.variancePerUnit.count
    let useful = min(latent, symptoms.spectrum?.components(holding: 0.95) ?? latent)
    let isThin = HeavyKL.part * symptoms.elbo.activeUnits < useful
    guard symptoms.isCollapsed || isThin else { return nil }
    let advice = WeightAdvice.less(symptoms.configuration, now: symptoms.weight)
    return Finding(
      symptoms.isCollapsed && symptoms.isSettled ? .problem : .warning, "KL too heavy",
      "the KL weighs \(figures(symptoms.weight)) times what it does in the ELBO: \(symptoms.collapse)",
      settings: advice.settings, advice: advice.note)
  }
}
