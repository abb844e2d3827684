import Autograd
import Kernels
import Layers

/// p(z | y), or p(z) of a model that is told nothing: a density, and a way to draw from it. One file each in Priors/.
///
/// Parameters are recorded in the scope that is handed in, the same by every method.
package protocol Prior: Sendable {
  /// Whether `divergence` is exact; else it is an estimate from one draw.
  var hasExactDivergence: Bool { get }
  /// KL(q(z | x) || p(z | y)) per sample and unit, nats; its sum over units is the KL. (batch, latent)
  func divergence(
    of posterior: DiagonalGaussian, at z: Tensor, given y: Tensor?, in scope: ParameterScope
  ) -> Tensor
  /// log p(z | y) in parts that belong to one unit each, nats; their sum is the density. (batch, latent)
  func logDensity(_ z: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor
  /// z of the noise u ~ N(0, I). (batch, latent)
  func draw(_ u: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor
}

extension Prior {
  package var hasExactDivergence: Bool { false }

  /// log q(z | x) - log p(z | y) of the one z that there is.
  package func divergence(
    of posterior: DiagonalGaussian, at z: Tensor, given y: Tensor?, in scope: ParameterScope
  ) -> Tensor {
    let graph = scope.graph
    let own = graph.gaussianLogDensity(z, mu: posterior.mu, logvar: posterior.logvar)
    return graph.weightedSum([(graph.constant(1), own), (graph.constant(-1), logDensity(z, given: y, in: scope))])
  }
}

/// The priors by name: one line each.
package enum PriorRegistry {
  package static let standard = "standard"
  package static let priors: [(name: String, make: @Sendable (ModelSettings) throws(Failure) -> any Prior)] = [
    (standard, { _ in StandardPrior() }),
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
