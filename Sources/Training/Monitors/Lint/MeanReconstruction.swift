/// The reconstruction is averaged over dimensions, the KL is not: the KL weighs as many times too much.
///
/// Measured on MNIST: KL 0.0000 within an epoch. Weights up to 2 are what people mean when they divide beta as well.
package struct MeanReconstruction: LintRule {
  package static let name = "loss scaling"
  package static let heaviest = 2.0

  package init() {}

  package func examine(_ facts: LintFacts) -> Finding? {
    guard let beta = facts.finalBeta else { return nil }
    let objective = facts.configuration.objective, weight = facts.weight(beta: beta)
    guard objective.reconstruction == .mean, facts.elements > 1, weight > MeanReconstruction.heaviest else {
      return nil
    }
    return Finding(
      .warning, MeanReconstruction.name,
      "the reconstruction is averaged over \(facts.elements) dimensions and the KL is summed: the KL weighs "
        + "\(figures(weight)) times what it does in the ELBO",
      settings: ["objective.reconstruction=sum"])
  }
}
