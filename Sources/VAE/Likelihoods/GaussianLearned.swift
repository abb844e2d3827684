import Autograd
import Layers
import Settings

/// Gaussian likelihood with one standard deviation for all values, learned as `likelihood.log_sigma`. The location is
/// the mean.
package struct GaussianLearned: Likelihood {
  package let support = Support.real
  package let nature = Nature.continuous

  package init() {}

  private func logSigma(in scope: ParameterScope) -> Tensor {
    scope["likelihood"].parameter("log_sigma", [1], .zeros)
  }

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor { scope.graph.gaussian(x, mean: location, logSigma: logSigma(in: scope)) }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor { location }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    scope.graph.likelihoodSample(location, .gaussian, logScale: logSigma(in: scope), stream: stream)
  }
}

extension LikelihoodMember {
  static var gaussianLearned: Self { Self("gaussian_learned") { _ in GaussianLearned() } }
}
