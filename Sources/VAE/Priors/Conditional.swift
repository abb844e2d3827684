import Autograd
import Kernels
import Layers
import Settings

/// The conditional prior p(z | y) = N(mu(y), diag(exp(logvar(y)))). A perceptron of y gives mu and logvar. Without
/// hidden layers they are linear in y.
///
/// Source: Sohn et al., "Learning structured output representation using deep conditional generative models", NeurIPS
/// 2015.
struct ConditionalPrior: Prior {
  private let settings: ModelSettings

  init(_ settings: ModelSettings) throws(Failure) {
    guard settings.condition > 0 else {
      throw Failure(
        .badConfiguration, "model.prior is conditional, but the model has no condition (model.condition: none)",
        hint: "give model.condition: label, or model.prior: flow, which needs no condition")
    }
    self.settings = settings
  }

  func distribution(given y: Tensor?, in scope: ParameterScope) -> any LatentDistribution {
    guard let y else { preconditionFailure("a prior given y was recorded without y") }
    return Distribution(settings, y, scope)
  }

  private final class Distribution: LatentDistribution {
    private let settings: ModelSettings
    private let y: Tensor
    private let scope: ParameterScope

    init(_ settings: ModelSettings, _ y: Tensor, _ scope: ParameterScope) {
      (self.settings, self.y, self.scope) = (settings, y, scope)
    }

    /// The networks are recorded when they are first needed.
    private lazy var recorded: DiagonalGaussian = {
      let h = scope["hidden"].perceptron(
        y, widths: settings[.priorHidden], activation: settings[.activation], dropout: 0)
      return DiagonalGaussian(
        of: h, units: settings.latent, bounds: settings.logvarBounds, in: scope)
    }()

    var code: Tensor { recorded.mu }
    var gaussian: DiagonalGaussian? { recorded }
    var noiseColumns: Int { settings.latent }
    func sample(_ noise: Noise) -> Tensor { recorded.sample(noise) }
    func logDensity(_ z: Tensor) -> Tensor { recorded.logDensity(z) }
    func hasExactRate(against prior: any LatentDistribution) -> Bool { recorded.hasExactRate(against: prior) }
    func rate(against prior: any LatentDistribution, at z: Tensor) -> Tensor { recorded.rate(against: prior, at: z) }
  }
}

extension PriorMember {
  static var conditional: Self {
    Self(
      "conditional", help: "a Gaussian for each y",
      settings: [Setting.priorHidden, Setting.activation, Setting.logvarLow, Setting.logvarHigh]
    ) { settings throws(Failure) in try ConditionalPrior(settings) }
  }
}
