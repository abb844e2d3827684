import Training

/// Beta above 1 pays for no KL that gains less than beta times as much reconstruction.
///
/// Higgins et al., "beta-VAE", ICLR 2017, want fewer units for that; a collapse, or a quarter of them, is too few.
/// Units that the data could not fill (`WideLatent`) do not count.
struct HeavyKL: Cause {
  private static let part = 4

  func examine(_ symptoms: Symptoms) -> Finding? {
    guard symptoms.beta > 1, symptoms.configuration.objective.reconstruction == .sum else { return nil }
    let latent = symptoms.elbo.variancePerUnit.count
    let useful = min(latent, symptoms.spectrum?.components(holding: 0.95) ?? latent)
    let isThin = HeavyKL.part * symptoms.elbo.activeUnits < useful
    guard symptoms.isCollapsed || isThin else { return nil }
    return Finding(
      symptoms.isCollapsed ? .problem : .warning, "KL too heavy",
      "the KL weighs beta = \(figures(symptoms.beta)): \(symptoms.collapse)",
      advice: "--set objective.beta.end=\(decimalText(symptoms.configuration.objective.task.beta ?? 1))")
  }
}
