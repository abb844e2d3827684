import Autograd
import Layers
import Settings

/// Location is the mean; sigma^2 is what suits the sample best, its mean squared error (plus exp(-12)).
///
/// Rybkin et al., 2021, over one sample and not the batch: a sample's loss must not depend on its neighbours. Sigma is
/// a function of x, so this is a bound on every Gaussian's likelihood and no density, and a draw is the mean.
package struct GaussianOptimal: Likelihood {
  package let support = Support.real
  package let nature = Nature.unnormalized

  package init() {}

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor { scope.graph.likelihood(x, location: location, .gaussianOptimal) }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor { location }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor { location }
}

extension LikelihoodMember {
  static var gaussianOptimal: Self { Self("gaussian_optimal") { _ in GaussianOptimal() } }
}
