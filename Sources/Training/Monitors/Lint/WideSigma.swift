/// The likelihood takes all of the data for noise.
///
/// A linear VAE has no use for a direction whose variance is below beta sigma^2, and its ELBO no better optimum than
/// the collapse when that is all of them: Lucas et al., "Don't blame the ELBO!", NeurIPS 2019.
package struct WideSigma: LintRule {
  package static let name = "likelihood too wide"

  package init() {}

  package func examine(_ facts: LintFacts) -> Finding? {
    let model = facts.configuration.model, sigma = facts.configuration[.sigma],
      weight = facts.weight(beta: facts.finalBeta ?? 1)
    guard model.likelihood == "gaussian", let spectrum = facts.spectrum, let largest = spectrum.variances.first,
      largest > 0, largest <= weight * sigma * sigma
    else { return nil }
    return Finding(
      .warning, WideSigma.name,
      "with sigma \(figures(sigma)) and a KL that weighs \(figures(weight)), a direction of the data is "
        + "noise up to a variance of \(figures(weight * sigma * sigma)), and the largest has \(figures(largest))",
      settings: ["model.likelihood=gaussian_learned"])
  }
}
