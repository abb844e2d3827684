import Training

/// Reconstruction averaged over dimensions against a KL that is summed.
struct LossScaling: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    var facts = symptoms.facts
    facts.configuration.objective.betaEnd = symptoms.beta
    guard let finding = MeanReconstruction().examine(facts) else { return nil }
    guard symptoms.isCollapsed else { return finding }
    return Finding(.problem, finding.check, "\(finding.message): \(symptoms.collapse)", advice: finding.advice)
  }
}
