import Autograd
import Kernels
import Layers
import Settings

/// A choice of `model.prior`: makes p(z), or p(z | y) of a conditional model, for the latents that a model leaves to
/// its prior. There is one file for each prior in Priors/.
package protocol Prior: Sendable {
  /// The distribution, with its parameters recorded in `scope` when it is first asked. - y: (batch, condition)
  func distribution(given y: Tensor?, in scope: ParameterScope) -> any LatentDistribution
}

package typealias PriorMember = Member<ModelSettings, any Prior>

/// The priors by name: one line each.
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
