import Autograd
import Layers
import Settings

/// VAE with a fully connected encoder and decoder: (x, y) -> hidden -> (mu, logvar) and (z, y) -> hidden -> location.
///
/// Sources: Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014; with a condition y: Sohn et al., NeurIPS
/// 2015.
struct MLP: OneLayerModel {
  let settings: ModelSettings

  func posterior(of x: Tensor, given y: Tensor?, in scope: ParameterScope) -> DiagonalGaussian {
    let h = scope["encoder"].perceptron(
      scope.graph.beside(x, y), widths: settings[.hidden], activation: settings[.activation], dropout: settings.dropout)
    return DiagonalGaussian(of: h, units: settings.latent, bounds: settings.logvarBounds, in: scope)
  }

  func decode(_ z: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor {
    let widths = settings.decoderWidths
    let h = scope["decoder"].perceptron(
      scope.graph.beside(z, y), widths: widths, activation: settings[.activation], dropout: settings.dropout)
    return scope["output"].linear(h, to: settings.pixels * settings.outputs)
  }
}

extension ModelMember {
  static var mlp: Self { Self("mlp", settings: networkSettings) { MLP(settings: $0) } }
}
