import Autograd
import Kernels
import Layers

/// The source of the standard normal noise for a draw.
package enum Noise {
  /// Noise from the keyed generator. The noise depends on the sample and not on its position in the batch. Each latent
  /// group has its own stream.
  case keyed(stream: String)
  /// Noise that the caller supplies in a tensor. (batch, noise columns)
  case supplied(Tensor)
}

/// A distribution of one group of latent variables, recorded in a graph: a posterior q(z | x) or a prior p(z).
///
/// A distribution may postpone recording its networks until one of its members is first used. An unused prior then
/// costs nothing.
package protocol LatentDistribution: AnyObject {
  /// A point that represents the distribution, such as the mean of a Gaussian or the nearest code of a quantiser.
  /// (batch, units)
  var code: Tensor { get }
  /// The distribution as a diagonal Gaussian; nil if it is not Gaussian. Some quantities have a closed form for
  /// Gaussians.
  var gaussian: DiagonalGaussian? { get }
  /// The number of columns of standard normal noise that `sample` needs.
  var noiseColumns: Int { get }
  /// Draws z. The draw is differentiable with respect to the distribution's parameters. Returns (batch, units).
  func sample(_ noise: Noise) -> Tensor
  /// The log density at z in nats, split into columns whose sum is the log density. Returns (batch, units) or
  /// (batch, 1).
  func logDensity(_ z: Tensor) -> Tensor
  /// Returns whether `rate(against:at:)` is the exact KL divergence. If not, it is a Monte Carlo estimate from one
  /// draw.
  func hasExactRate(against prior: any LatentDistribution) -> Bool
  /// KL(self || prior) in nats: exact if `hasExactRate` is true, otherwise the estimate log q(z) - log p(z) at the draw
  /// z. Returns (batch, units), or (batch, 1) if the distribution has one value for all units.
  func rate(against prior: any LatentDistribution, at z: Tensor) -> Tensor
}

extension LatentDistribution {
  package var gaussian: DiagonalGaussian? { nil }
  package var noiseColumns: Int { code.columns }

  /// log q(z) - log p(z) at the draw z, in nats: an estimate of the KL divergence whose parts stand side by side.
  func sampledRate(against prior: any LatentDistribution, at z: Tensor, in graph: Graph) -> Tensor {
    graph.weightedSum([(graph.constant(1), logDensity(z)), (graph.constant(-1), prior.logDensity(z))])
  }

  package func hasExactRate(against prior: any LatentDistribution) -> Bool { false }
}
