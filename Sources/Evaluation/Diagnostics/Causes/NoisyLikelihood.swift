import Training

/// The fixed sigma is so large that the collapsed posterior is the optimum (Lucas et al., "Don't blame the ELBO!",
/// NeurIPS 2019).
struct NoisyLikelihood: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    guard let finding = WideSigma().examine(symptoms.facts) else { return nil }
    return symptoms.isCollapsed ? finding.graver(symptoms.collapse) : finding
  }
}
