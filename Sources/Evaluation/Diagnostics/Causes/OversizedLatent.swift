import Training

/// The latent has more units than the data has principal directions.
struct OversizedLatent: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    guard let finding = WideLatent().examine(symptoms.facts) else { return nil }
    let active = "\(symptoms.elbo.activeUnits) of \(symptoms.elbo.variancePerUnit.count) units are active"
    return Finding(.warning, finding.check, "\(finding.message); \(active)", settings: finding.settings)
  }
}
