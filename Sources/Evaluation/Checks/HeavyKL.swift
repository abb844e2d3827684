import Settings
import Training

/// The weight of the KL is above 1 and too few units remain active.
///
/// A weight above 1 is meant to reduce the number of active units (Higgins et al., "beta-VAE", ICLR 2017). Too few
/// means a collapse, or less than a quarter of the units that the data can fill (`WideLatent`).
struct HeavyKL: Check {
  private static let part = 4

  func findings(in facts: EvaluationFacts) -> [Finding] {
    // A reconstruction loss that is a mean is reported by `LossScaling`.
    guard facts.hasWeight, facts.weight > 1, LossScaling().findings(in: facts).isEmpty else { return [] }
    let latent = facts.elbo.variancePerUnit.count
    let useful = min(latent, facts.spectrum?.components(holding: 0.95) ?? latent)
    let isThin = HeavyKL.part * facts.elbo.activeUnits < useful
    guard facts.isCollapsed || isThin else { return [] }
    let advice = WeightAdvice.less(facts.configuration, now: facts.weight)
    return [
      Finding(
        facts.isCollapsed && facts.isSettled ? .problem : .warning, "KL too heavy",
        "the KL weighs \(facts.weight, .figures) times what it does in the ELBO: \(facts.collapse)",
        settings: advice.settings, advice: advice.note)
    ]
  }
}
