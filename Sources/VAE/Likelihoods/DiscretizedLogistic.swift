import Autograd
import Layers
import Settings

/// Discretised logistic likelihood with 256 bins; the outer two bins include the tails. The location contains
/// (mean on [-1, 1], log scale) for every value.
///
/// Source: Kingma et al., "Improved variational inference with inverse autoregressive flow", NeurIPS 2016.
package struct DiscretizedLogistic: Likelihood {
  package let support = Support.levels
  package let nature = Nature.discrete

  package init() {}

  package func outputs(channels: Int) -> Int { ValueLikelihood.discretizedLogistic.arity * channels }

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor { scope.graph.likelihood(x, location: location, .discretizedLogistic) }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor {
    graph.likelihoodMean(location, .discretizedLogistic)
  }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    scope.graph.likelihoodSample(location, .discretizedLogistic, stream: stream)
  }
}

extension LikelihoodMember {
  static var discretizedLogistic: Self { Self("discretized_logistic") { _ in DiscretizedLogistic() } }
}
