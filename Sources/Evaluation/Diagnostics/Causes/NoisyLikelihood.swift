import Training

/// A fixed sigma so wide that the collapse is the best there is: Lucas et al., "Don't blame the ELBO!", NeurIPS 2019.
struct NoisyLikelihood: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    guard let finding = WideSigma().examine(symptoms.facts) else { return nil }
    return symptoms.isCollapsed ? finding.graver(symptoms.collapse) : finding
  }
}
