import Training

/// More units than the data has directions, as far as the data shows.
struct OversizedLatent: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    guard let finding = WideLatent().examine(symptoms.facts) else { return nil }
    let active = "\(symptoms.elbo.activeUnits) of \(symptoms.elbo.variancePerUnit.count) units are active"
    return Finding(.warning, finding.check, "\(finding.message); \(active)", settings: finding.settings)
  }
}
