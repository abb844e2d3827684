import Autograd
import Kernels
import Layers

/// Where the standard normal noise of a draw comes from.
package enum Noise {
  /// Keyed by sample, so that a sample's noise does not depend on its place in a batch; one stream per latent group.
  case keyed(stream: String)
  /// A tensor (batch, noise columns) that the caller fills.
  case supplied(Tensor)
}

/// A distribution of one group of latent variables, recorded in a graph: a posterior q(z | x) or a prior p(z).
///
/// A distribution may record what it needs when it is first asked, so a prior that nobody asks costs nothing.
package protocol LatentDistribution: AnyObject {
  /// The point that stands for the distribution: the mean of a Gaussian, the nearest code of a quantiser.
  /// (batch, units)
  var code: Tensor { get }
  /// The distribution as a diagonal Gaussian, where it is one. Some quantities have a closed form for Gaussians.
  var gaussian: DiagonalGaussian? { get }
  /// Columns of the standard normal noise that `sample` takes.
  var noiseColumns: Int { get }
  /// A draw, differentiable with respect to the distribution's parameters. -> (batch, units)
  func sample(_ noise: Noise) -> Tensor
  /// The log density at z, nats, in parts whose sum over columns is the log density. -> (batch, units) or (batch, 1)
  func logDensity(_ z: Tensor) -> Tensor
  /// Whether `rate(against:at:)` is the exact KL divergence; otherwise it is an estimate from one draw.
  func hasExactRate(against prior: any LatentDistribution) -> Bool
  /// KL(self || prior) per unit, nats, exact where it is known; otherwise log q(z) - log p(z) at the draw z.
  /// -> (batch, units) or (batch, 1)
  func rate(against prior: any LatentDistribution, at z: Tensor) -> Tensor
}

extension LatentDistribution {
  package var gaussian: DiagonalGaussian? { nil }
  package var noiseColumns: Int { code.columns }
  package func hasExactRate(against prior: any LatentDistribution) -> Bool { false }
}
