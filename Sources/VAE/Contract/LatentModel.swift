import Autograd
import Kernels
import Layers

/// What a model computes: from x and y to the location of p(x | z), through latents that it asks the trace for.
///
/// The same recording infers, generates and takes given latents: the trace decides where each latent comes from. A model
/// says nothing of beta, free bits, annealing or ranks.
package protocol LatentModel {
  /// Records the model and returns the location of the likelihood. (batch, pixels * outputs)
  ///
  /// - x: what the encoder sees (batch, elements); nil where nothing is inferred, and no posterior is asked for.
  /// - y: what the model is conditioned on (batch, condition); nil for an unconditional model.
  func record(_ x: Tensor?, given y: Tensor?, in trace: Trace) -> Tensor
}

/// A model with one group of latents, `z`: it says what its encoder gives and what its decoder makes of z.
protocol OneLayerModel: LatentModel {
  func posterior(of x: Tensor, given y: Tensor?, in scope: ParameterScope) -> DiagonalGaussian
  /// z (batch, units) -> location (batch, pixels * outputs)
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
