import Training

/// The fixed sigma is so large that the collapsed posterior is the optimum (Lucas et al., "Don't blame the ELBO!",
/// NeurIPS 2019).
struct NoisyLikelihood: Check {
  func findings(in facts: EvaluationFacts) -> [Finding] {
    WideSigma().findings(in: facts.configurationFacts).map { facts.isCollapsed ? $0.graver(facts.collapse) : $0 }
  }
}
