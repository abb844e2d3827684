import Autograd
import Kernels
import Layers

/// A model: computes the location of p(x | z) from x and y, and requests its latents from a trace.
///
/// The same code serves inference, generation and given latents, because the trace decides where each latent comes
/// from. A model contains nothing about beta, free bits, annealing or ranks.
package protocol LatentModel {
  /// Records the model and returns the location of the likelihood. (batch, pixels * outputs)
  ///
  /// - x: the input of the encoder (batch, elements); nil if nothing is inferred, and then the model has no posterior.
  /// - y: the condition (batch, condition); nil for an unconditional model.
  func record(_ x: Tensor?, given y: Tensor?, in trace: Trace) -> Tensor
}

/// A model with a single group of latents, `z`. It defines an encoder, which returns the posterior, and a decoder.
protocol OneLayerModel: LatentModel {
  /// The posterior q(z | x), or q(z | x, y) of a conditional model. x: (batch, elements)
  func posterior(of x: Tensor, given y: Tensor?, in scope: ParameterScope) -> DiagonalGaussian
  /// Maps z (batch, units) to the location of the likelihood (batch, pixels * outputs).
  func decode(_ z: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor
}

extension OneLayerModel {
  package func record(_ x: Tensor?, given y: Tensor?, in trace: Trace) -> Tensor {
    let scope = trace.scope
    let z = trace.latent(
      "z", q: x.map { posterior(of: $0, given: y, in: scope) },
      p: trace.prior.distribution(given: y, in: scope["prior"]))
    return decode(z, given: y, in: scope)
  }
}
