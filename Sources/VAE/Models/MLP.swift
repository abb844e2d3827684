import Autograd
import Layers

/// Fully connected encoder and decoder: x -> hidden -> (mu, logvar), z -> hidden -> location.
///
/// Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014.
struct MLP: VariationalModel {
  let settings: ModelSettings
  var latent: Int { settings.latent }

  func infer(_ x: Tensor, noise: (String) -> Noise, in scope: ParameterScope) -> Inference {
    let posterior = posterior(of: x, in: scope), z = posterior.sample(noise("eps"), in: scope.graph)
    return Inference(
      posterior: posterior, z: z, location: decode(z, in: scope), divergences: [posterior.divergence(in: scope.graph)])
  }

  func posterior(of x: Tensor, in scope: ParameterScope) -> DiagonalGaussian {
    let h = scope["encoder"].perceptron(
      x, widths: settings.hidden, activation: settings.activation, dropout: settings.dropout)
    return DiagonalGaussian.record(h, latent: latent, bounds: settings.logvarLow...settings.logvarHigh, in: scope)
  }

  func decode(_ z: Tensor, in scope: ParameterScope) -> Tensor {
    let widths = settings.decoderHidden.isEmpty ? settings.hidden.reversed() : settings.decoderHidden
    let h = scope["decoder"].perceptron(
      z, widths: widths, activation: settings.activation, dropout: settings.dropout)
    return scope["output"].linear(h, to: settings.pixels * settings.outputs)
  }
}
