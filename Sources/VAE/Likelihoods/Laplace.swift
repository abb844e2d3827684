import Autograd
import Layers
import Settings

/// Laplace likelihood with one scale for all values, learned as `likelihood.log_scale`. The location is the mean.
package struct Laplace: Likelihood {
  package let support = Support.real
  package let nature = Nature.continuous

  package init() {}

  private func logScale(in scope: ParameterScope) -> Tensor {
    scope["likelihood"].parameter("log_scale", [1], .zeros)
  }

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor { scope.graph.laplace(x, mean: location, logScale: logScale(in: scope)) }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor { location }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    scope.graph.likelihoodSample(location, .laplace, logScale: logScale(in: scope), stream: stream)
  }
}

extension LikelihoodMember {
  static var laplace: Self { Self("laplace") { _ in Laplace() } }
}
