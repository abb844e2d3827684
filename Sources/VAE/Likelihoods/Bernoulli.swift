import Autograd
import Layers
import Settings

/// Location is logits. Of grey values it is the usual cross-entropy, which no distribution on [0, 1] has.
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
