import Autograd
import Layers
import Settings

/// N(0, I), whatever y is.
struct StandardPrior: Prior {
  private let units: Int

  init(_ settings: ModelSettings) { units = settings.latent }

  func distribution(given y: Tensor?, in scope: ParameterScope) -> any LatentDistribution {
    StandardGaussian(units: units, in: scope.graph)
  }
}

extension PriorMember {
  static var standard: Self { Self(PriorRegistry.standard, help: "N(0, I)") { StandardPrior($0) } }
}
