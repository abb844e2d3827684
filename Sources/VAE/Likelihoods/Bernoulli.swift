import Autograd
import Layers
import Settings

/// Bernoulli likelihood. The location contains logits. For grey values in [0, 1] the loss is the usual binary
/// cross-entropy, which is not the negative log-likelihood of a normalised distribution on [0, 1].
package struct Bernoulli: Likelihood {
  package let support = Support.unitInterval
  package let nature = Nature.discrete

  package init() {}

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor { scope.graph.bernoulli(x, logits: location) }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor {
    graph.likelihoodMean(location, .bernoulli)
  }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    scope.graph.likelihoodSample(location, .bernoulli, stream: stream)
  }
}

extension LikelihoodMember {
  static var bernoulli: Self { Self("bernoulli") { _ in Bernoulli() } }
}
