import Autograd
import Kernels
import Layers

/// p(z | y) = N(mu(y), diag(exp(logvar(y)))), both by a perceptron of y; without hidden layers, linear in y.
///
/// Sohn et al., "Learning structured output representation using deep conditional generative models", NeurIPS 2015.
struct ConditionalPrior: Prior {
  private let settings: ModelSettings
  var hasExactDivergence: Bool { true }

  init(_ settings: ModelSettings) throws(Failure) {
    guard settings.condition > 0 else {
      throw Failure(
        .badConfiguration, "model.prior is conditional, and the model is told nothing (model.condition: none)",
        hint: "give model.condition: label, or model.prior: flow, which needs no condition")
    }
    self.settings = settings
  }

  func divergence(
    of posterior: DiagonalGaussian, at z: Tensor, given y: Tensor?, in scope: ParameterScope
  ) -> Tensor {
    let prior = gaussian(y, in: scope)
    return scope.graph.gaussianDivergence(mu: posterior.mu, logvar: posterior.logvar, from: prior.mu, prior.logvar)
  }

  func logDensity(_ z: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor {
    let prior = gaussian(y, in: scope)
    return scope.graph.gaussianLogDensity(z, mu: prior.mu, logvar: prior.logvar)
  }

  func draw(_ u: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor {
    gaussian(y, in: scope).sample(.supplied(u), in: scope.graph)
  }

  private func gaussian(_ y: Tensor?, in scope: ParameterScope) -> DiagonalGaussian {
    guard let y else { preconditionFailure("a prior given y was recorded without y") }
    let h = scope["hidden"].perceptron(
      y, widths: settings.priorHidden, activation: settings.activation, dropout: 0)
    return DiagonalGaussian.record(
      h, latent: settings.latent, bounds: settings.logvarLow...settings.logvarHigh, in: scope)
  }
}
