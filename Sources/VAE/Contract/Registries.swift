import Kernels
import Settings

/// The models, priors and likelihoods that a configuration can choose from.
package struct Registries: Sendable {
  package var models = ModelRegistry.all
  package var priors = PriorRegistry.all
  package var likelihoods = LikelihoodRegistry.all

  package init() {}
}
