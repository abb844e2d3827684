import Autograd
import Kernels
import Layers

/// A choice of `model.prior`: makes p(z), or p(z | y) of a conditional model, for the latents that a model leaves to
/// its prior. There is one file for each prior in Priors/.
package protocol Prior: Sendable {
  /// The distribution, with its parameters recorded in `scope` when it is first asked. - y: (batch, condition)
  func distribution(given y: Tensor?, in scope: ParameterScope) -> any LatentDistribution
}

/// The priors by name: one line each.
package enum PriorRegistry {
  package static let standard = "standard"
  package static let priors: [(name: String, make: @Sendable (ModelSettings) throws(Failure) -> any Prior)] = [
    (standard, { StandardPrior($0) }),
    ("conditional", { settings throws(Failure) in try ConditionalPrior(settings) }),
    ("flow", { settings throws(Failure) in try FlowPrior(settings) }),
  ]

  package static var names: [String] { priors.map(\.name) }

  package static func make(_ settings: ModelSettings) throws(Failure) -> any Prior {
    guard let prior = priors.first(where: { $0.name == settings.prior }) else {
      throw Failure(
        .badConfiguration, "there is no prior '\(settings.prior)'",
        hint: "model.prior is one of: " + names.joined(separator: ", "))
    }
    return try prior.make(settings)
  }
}
