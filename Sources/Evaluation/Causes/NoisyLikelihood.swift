import Training

/// A fixed sigma so wide that the collapse is the best there is: Lucas et al., "Don't blame the ELBO!", NeurIPS 2019.
struct NoisyLikelihood: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    guard let finding = WideSigma().examine(symptoms.facts) else { return nil }
    guard symptoms.isCollapsed else { return finding }
    return Finding(.problem, finding.check, "\(finding.message): \(symptoms.collapse)", advice: finding.advice)
  }
}
