import Autograd
import Layers
import Settings

/// Gaussian likelihood with a standard deviation for every value. The location contains (mean, log sigma) for every
/// value, and log sigma has a soft lower limit of -6.
///
/// Source: Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders", ICML 2021.
package struct GaussianPixel: Likelihood {
  package let support = Support.real
  package let nature = Nature.continuous

  package init() {}

  package func outputs(channels: Int) -> Int { ValueLikelihood.gaussianPixel.arity * channels }

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor { scope.graph.likelihood(x, location: location, .gaussianPixel) }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor {
    graph.likelihoodMean(location, .gaussianPixel)
  }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    scope.graph.likelihoodSample(location, .gaussianPixel, stream: stream)
  }
}

extension LikelihoodMember {
  static var gaussianPixel: Self { Self("gaussian_pixel") { _ in GaussianPixel() } }
}
