import Settings

/// Warns if the likelihood is so wide that it treats all of the data as noise.
///
/// A linear VAE does not use a direction of the data if its variance is below beta sigma^2. If that holds for all
/// directions, its ELBO has no better optimum than posterior collapse. Source: Lucas et al., "Don't blame the ELBO!",
/// NeurIPS 2019.
package struct WideSigma: Check {
  package static let name = "likelihood too wide"

  package init() {}

  package func findings(in facts: ConfigurationFacts) -> [Finding] {
    let model = facts.configuration.model, sigma = facts.configuration[.sigma],
      weight = facts.weight(beta: facts.finalBeta ?? 1)
    guard model.likelihood == "gaussian", let spectrum = facts.spectrum, let largest = spectrum.variances.first,
      largest > 0, largest <= weight * sigma * sigma
    else { return [] }
    return [
      Finding(
        .warning, WideSigma.name,
        "with sigma \(sigma, .figures) and a KL that weighs \(weight, .figures), a direction of the data is "
          + "noise up to a variance of \(weight * sigma * sigma, .figures), and the largest has \(largest, .figures)",
        settings: ["model.likelihood=gaussian_learned"])
    ]
  }
}
