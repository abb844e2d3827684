import Autograd
import Foundation
import Layers

/// p(x | z). The decoder gives a location (logits or mean, nothing squashed); what turns it into a density lives here.
package enum Likelihood: Sendable, Equatable {
  /// Location is logits; data in [0, 1].
  case bernoulli
  /// Location is the mean; one fixed standard deviation.
  case gaussian(sigma: Float)
  /// Location is the mean; one standard deviation learned as `likelihood.log_sigma`.
  case gaussianLearnedSigma

  /// -log p(x | z) per sample, nats, summed over dimensions. x and location (batch, ...) -> (batch)
  package func negativeLogLikelihood(_ x: Tensor, location: Tensor, in scope: ParameterScope) -> Tensor {
    switch self {
    case .bernoulli: scope.graph.bernoulli(x, logits: location)
    case .gaussian(let sigma): scope.graph.gaussian(x, mean: location, logSigma: scope.graph.constant(log(sigma)))
    case .gaussianLearnedSigma:
      scope.graph.gaussian(
        x, mean: location, logSigma: scope["likelihood"].parameter("log_sigma", [1], .zeros))
    }
  }

  /// Values that the decoder gives for a pixel.
  package func outputs(channels: Int) -> Int { channels }

  /// E[x | z] from the location. (batch, ...)
  package func mean(location: Tensor, in graph: Graph) -> Tensor {
    self == .bernoulli ? graph.activate(location, .sigmoid) : location
  }

  /// Whether data must lie in [0, 1].
  package var requiresUnitInterval: Bool { self == .bernoulli }
}
