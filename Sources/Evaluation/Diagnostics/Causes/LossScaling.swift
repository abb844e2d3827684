import Training

/// Reconstruction averaged over dimensions against a KL that is summed.
struct LossScaling: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    var facts = symptoms.facts
    facts.configuration.objective.betaEnd = symptoms.beta
    guard symptoms.hasWeight, let finding = MeanReconstruction().examine(facts) else { return nil }
    return symptoms.isCollapsed ? finding.graver(symptoms.collapse) : finding
  }
}
