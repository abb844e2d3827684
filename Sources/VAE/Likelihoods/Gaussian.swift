import Autograd
import Foundation
import Layers
import Settings

/// Gaussian likelihood with a fixed standard deviation for all values. The location is the mean.
package struct Gaussian: Likelihood {
  package let sigma: Float
  package let support = Support.real
  package let nature = Nature.continuous

  package init(sigma: Float) { self.sigma = sigma }

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor { scope.graph.gaussian(x, mean: location, logSigma: scope.graph.constant(log(sigma))) }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor { location }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    scope.graph.likelihoodSample(location, .gaussian, logScale: scope.graph.constant(log(sigma)), stream: stream)
  }
}

extension LikelihoodMember {
  static var gaussian: Self { Self("gaussian", settings: [Setting.sigma]) { Gaussian(sigma: $0.sigma) } }
}
