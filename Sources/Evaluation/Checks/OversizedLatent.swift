import Training

/// The latent has more units than the data has principal directions.
struct OversizedLatent: Check {
  func findings(in facts: EvaluationFacts) -> [Finding] {
    let active = "\(facts.elbo.activeUnits) of \(facts.elbo.variancePerUnit.count) units are active"
    return WideLatent().findings(in: facts.configurationFacts).map { finding in
      Finding(.warning, finding.check, "\(finding.message); \(active)", settings: finding.settings)
    }
  }
}
