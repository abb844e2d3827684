import Settings

/// Warns if z has more units than the data has principal components. The additional units stay at the prior and cost
/// time.
///
/// A linear VAE uses one unit for each principal component above the noise (Lucas et al., "Don't blame the ELBO!",
/// 2019; for deep VAEs, see Dai et al., "The usual suspects?", 2020). The check counts the components that hold 99 % of
/// the variance, which is a generous bound.
package struct WideLatent: Check {
  package static let share = 0.99

  package init() {}

  package func findings(in facts: ConfigurationFacts) -> [Finding] {
    let latent = facts.configuration.model.latent
    guard let components = facts.spectrum?.components(holding: WideLatent.share), latent > components else {
      return []
    }
    return [
      Finding(
        .warning, "latent too large",
        "model.latent is \(latent), and \(components) principal components hold "
          + "\(100 * WideLatent.share, .figures) % of the data's variance",
        settings: ["model.latent=\(components)"])
    ]
  }
}
