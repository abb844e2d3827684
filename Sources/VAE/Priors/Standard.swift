import Autograd
import Layers

/// N(0, I), whatever y is.
struct StandardPrior: Prior {
  var hasExactDivergence: Bool { true }

  func divergence(
    of posterior: DiagonalGaussian, at z: Tensor, given y: Tensor?, in scope: ParameterScope
  ) -> Tensor { scope.graph.gaussianKL(mu: posterior.mu, logvar: posterior.logvar) }

  func logDensity(_ z: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor {
    scope.graph.standardLogDensity(z)
  }

  func draw(_ u: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor { u }
}
