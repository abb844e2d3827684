import Training

/// The reconstruction loss is a mean over dimensions while the KL is a sum.
struct LossScaling: Check {
  func findings(in facts: EvaluationFacts) -> [Finding] {
    guard facts.hasWeight else { return [] }
    var configured = facts.configurationFacts
    configured.configuration.objective.betaEnd = facts.beta
    return MeanReconstruction().findings(in: configured).map { facts.isCollapsed ? $0.graver(facts.collapse) : $0 }
  }
}
