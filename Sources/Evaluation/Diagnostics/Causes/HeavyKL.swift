import Training

/// The weight of the KL is above 1 and too few units remain active.
///
/// A weight above 1 is meant to reduce the number of active units (Higgins et al., "beta-VAE", ICLR 2017). Too few
/// means a collapse, or less than a quarter of the units that the data can fill (`WideLatent`).
struct HeavyKL: Cause {
  private static let part = 4

  func examine(_ symptoms: Symptoms) -> Finding? {
    // A reconstruction loss that is a mean is reported by `LossScaling`.
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
