import Autograd
import Layers
import Settings

/// The prior N(0, I), which does not depend on y.
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
