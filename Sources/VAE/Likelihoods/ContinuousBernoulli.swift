import Autograd
import Layers
import Settings

/// Continuous Bernoulli likelihood: the density on [0, 1] proportional to exp(logit * x). The location contains logits.
///
/// Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", NeurIPS 2019.
package struct ContinuousBernoulli: Likelihood {
  package let support = Support.unitInterval
  package let nature = Nature.continuous

  package init() {}

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor { scope.graph.likelihood(x, location: location, .continuousBernoulli) }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor {
    graph.likelihoodMean(location, .continuousBernoulli)
  }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    scope.graph.likelihoodSample(location, .continuousBernoulli, stream: stream)
  }
}

extension LikelihoodMember {
  static var continuousBernoulli: Self { Self("continuous_bernoulli") { _ in ContinuousBernoulli() } }
}
