import Autograd
import Kernels
import Layers
import Settings

/// A choice of `model.prior`. It provides p(z), or p(z | y) of a conditional model, for all latents that have no prior
/// of their own in the model. Each prior has its own file in Priors/.
package protocol Prior: Sendable {
  /// Returns the distribution. Its parameters are recorded in `scope` when they are first needed.
  ///
  /// - y: the condition (batch, condition); nil for an unconditional model.
  func distribution(given y: Tensor?, in scope: ParameterScope) -> any LatentDistribution
}

package typealias PriorMember = Member<ModelSettings, any Prior>

/// The registered priors.
package enum PriorRegistry {
  package static let standard = "standard"
  package static let all = Registry<ModelSettings, any Prior>(
    "prior", key: "model.prior",
    [
      .standard,
      .conditional,
      .flow,
    ])
}
