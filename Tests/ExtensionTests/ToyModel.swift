import Autograd
import Layers
import Settings
import VAE

/// A model in one file: an encoder with one hidden layer, whose width is a setting, and a linear decoder.
private struct ToyModel: LatentModel {
  let settings: ModelSettings

  func record(_ x: Tensor?, given y: Tensor?, in trace: Trace) -> Tensor {
    let scope = trace.scope
    let posterior = x.map { x in
      let h = scope["encoder"].perceptron(x, widths: [settings[.toyWidth]], activation: .tanh, dropout: 0)
      return DiagonalGaussian(of: h, units: settings.latent, bounds: -8...8, in: scope)
    }
    let z = trace.latent("z", q: posterior, p: trace.prior.distribution(given: y, in: scope["prior"]))
    return scope["output"].linear(z, to: settings.pixels * settings.outputs)
  }
}

extension ModelMember {
  static var toy: Self { Self("toy_model", settings: [Setting.toyWidth]) { ToyModel(settings: $0) } }
}

extension Setting<Int> {
  static var toyWidth: Self {
    Self("model.toy_width", 6, "width of the toy model's hidden layer", "between 1 and 64") { (1...64).contains($0) }
  }
}
