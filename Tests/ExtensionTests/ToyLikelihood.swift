import Autograd
import Foundation
import Layers
import Settings
import VAE

/// A likelihood in one file: a Gaussian with a precision as its setting, and the location as its mean.
private struct ToyLikelihood: Likelihood {
  let logSigma: Float
  let support = Support.real
  let nature = Nature.continuous

  func negativeLogLikelihood(_ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope) -> Tensor {
    scope.graph.gaussian(x, mean: location, logSigma: scope.graph.constant(logSigma))
  }

  func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor { location }

  func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    scope.graph.likelihoodSample(location, .gaussian, logScale: scope.graph.constant(logSigma), stream: stream)
  }
}

extension LikelihoodMember {
  static var toy: Self {
    Self("toy_likelihood", settings: [Setting.toyPrecision]) {
      ToyLikelihood(logSigma: Float(-0.5 * log($0[.toyPrecision])))
    }
  }
}

extension Setting<Double> {
  static var toyPrecision: Self {
    Self("model.toy_precision", 1, "precision of the toy likelihood", "above 0") { $0 > 0 }
  }
}
