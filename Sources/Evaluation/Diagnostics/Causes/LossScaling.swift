import Training

/// The reconstruction loss is a mean over dimensions while the KL is a sum.
struct LossScaling: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    var facts = symptoms.facts
    facts.configuration.objective.betaEnd = symptoms.beta
    guard symptoms.hasWeight, let finding = MeanReconstruction().examine(facts) else { return nil }
    return symptoms.isCollapsed ? finding.graver(symptoms.collapse) : finding
  }
}
