import VAE

extension ConfigurationSchema {
  /// The keys of the model, including the settings of all models, priors and likelihoods.
  static func modelKeys(_ registries: Registries) -> [ConfigurationKey] {
    let priors = registries.priors.members.map { $0.name + " (\($0.help))" }.joined(separator: ", ")
    return [key("model.kind", \.model.kind, registries.models.names.joined(separator: ", "))]
      + settingKeys(of: registries.models)
      + [
        key("model.latent", \.model.latent, "size of z", "between 1 and 65536") { (1...65_536).contains($0) },
        key(
          "model.condition", \.model.condition,
          "what encoder and decoder are conditioned on: none, label (the class), attributes"),
        choice(registries.priors, \.model.prior, "p(z): " + priors),
      ] + settingKeys(of: registries.priors)
      + [
        choice(
          registries.likelihoods, \.model.likelihood,
          "p(x given z): one of the names in docs/reference/likelihoods.md (bernoulli, gaussian_learned, ...)")
      ] + settingKeys(of: registries.likelihoods)
  }
}
