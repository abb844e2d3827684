import Autograd
import Layers

/// The diagonal Gaussian N(mu, diag(exp(logvar))). Mean and log variance are separate tensors. (batch, units)
package final class DiagonalGaussian: LatentDistribution {
  package let mu: Tensor
  package let logvar: Tensor
  private let graph: Graph

  package init(mu: Tensor, logvar: Tensor, in graph: Graph) {
    (self.mu, self.logvar, self.graph) = (mu, logvar, graph)
  }

  /// Records linear layers `mu` and `logvar` of the features h, and of y if it is given. The log variances are clamped
  /// to `bounds` so that their exponential cannot overflow.
  package convenience init(
    of h: Tensor, beside y: Tensor? = nil, units: Int, bounds: ClosedRange<Float>, in scope: ParameterScope
  ) {
    let mu = scope["mu"].linear(h, beside: y, to: units)
    let raw = scope["logvar"].linear(h, beside: y, to: units)
    self.init(
      mu: mu, logvar: scope.graph.clamp(raw, low: bounds.lowerBound, high: bounds.upperBound), in: scope.graph)
  }

  package var code: Tensor { mu }
  package var gaussian: DiagonalGaussian? { self }

  /// Draws z = mu + exp(logvar / 2) * eps (Kingma and Welling, 2014). Returns (batch, units).
  package func sample(_ noise: Noise) -> Tensor {
    let eps =
      switch noise {
      case .keyed(let stream): graph.standardNormal(columns: mu.columns, stream: stream)
      case .supplied(let tensor): tensor
      }
    return graph.reparameterize(mu: mu, logvar: logvar, eps: eps)
  }

  package func logDensity(_ z: Tensor) -> Tensor { graph.gaussianLogDensity(z, mu: mu, logvar: logvar) }

  package func hasExactRate(against prior: any LatentDistribution) -> Bool {
    prior is StandardGaussian || prior.gaussian != nil
  }

  package func rate(against prior: any LatentDistribution, at z: Tensor) -> Tensor {
    if prior is StandardGaussian { return graph.gaussianKL(mu: mu, logvar: logvar) }
    if let prior = prior.gaussian {
      return graph.gaussianDivergence(mu: mu, logvar: logvar, from: prior.mu, prior.logvar)
    }
    return sampledRate(against: prior, at: z, in: graph)
  }
}
