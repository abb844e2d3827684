import Autograd
import Layers
import Settings

/// Gaussian likelihood with the optimal variance of each sample: its mean squared error plus exp(-12). The location is
/// the mean.
///
/// Source: Rybkin et al., 2021. The paper computes the variance over the batch; here it is computed over one sample, so
/// that the loss of a sample does not depend on the rest of the batch. Because sigma is a function of x, the value is a
/// bound on the likelihood of every Gaussian and not a density. A draw is the mean.
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
