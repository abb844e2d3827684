import Autograd
import Foundation
import Layers
import Settings
import VAE

/// A prior in one file: N(0, s^2 I) with a spread s.
private struct ToyPrior: Prior {
  let settings: ModelSettings

  func distribution(given y: Tensor?, in scope: ParameterScope) -> any LatentDistribution {
    let graph = scope.graph, shape: Shape = [graph.batch, settings.latent]
    let logvar = graph.constant(Float(2 * log(settings[.toySpread])), shape)
    return DiagonalGaussian(mu: graph.constant(0, shape), logvar: logvar, in: graph)
  }
}

extension PriorMember {
  static var toy: Self {
    Self("toy_prior", help: "wider or narrower", settings: [Setting.toySpread]) { ToyPrior(settings: $0) }
  }
}

extension Setting<Double> {
  static var toySpread: Self {
    Self("model.toy_spread", 1, "standard deviation of the toy prior", "above 0") { $0 > 0 }
  }
}
