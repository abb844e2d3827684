import Autograd
import Layers

/// Where the noise of the reparameterisation comes from.
package enum Noise {
  /// Keyed by sample; a stream per layer of latents.
  case keyed(stream: String)
  /// An input that the caller fills: comparisons with other programs, interpolation.
  case supplied(Tensor)
}

/// q(z | x) = N(mu, diag(exp(logvar))): two tensors, never one. (batch, latent)
package struct DiagonalGaussian {
  package let mu: Tensor
  package let logvar: Tensor

  /// Heads `mu` and `logvar` on the features h; logvar is limited to `bounds` so that exp cannot overflow.
  package static func record(
    _ h: Tensor, beside y: Tensor? = nil, latent: Int, bounds: ClosedRange<Float>, in scope: ParameterScope
  ) -> Self {
    let mu = scope["mu"].linear(h, beside: y, to: latent)
    let raw = scope["logvar"].linear(h, beside: y, to: latent)
    return Self(mu: mu, logvar: scope.graph.clamp(raw, low: bounds.lowerBound, high: bounds.upperBound))
  }

  /// z = mu + exp(logvar / 2) * eps. (batch, latent)
  package func sample(_ noise: Noise, in graph: Graph) -> Tensor {
    let eps =
      switch noise {
      case .keyed(let stream): graph.standardNormal(columns: mu.columns, stream: stream)
      case .supplied(let tensor): tensor
      }
    return graph.reparameterize(mu: mu, logvar: logvar, eps: eps)
  }
}
