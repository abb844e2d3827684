import Autograd
import Kernels
import Layers
import Settings

/// A mixture of discretised logistics for every pixel (see `LogisticMixture`). Each channel is conditioned on the
/// previous channels of the pixel.
package struct LogisticMixtures: Likelihood {
  package let mixtures: Int
  package let support = Support.levels
  package let nature = Nature.discrete

  package init(mixtures: Int) { self.mixtures = mixtures }

  private func mixture(_ channels: Int) -> LogisticMixture { LogisticMixture(mixtures: mixtures, channels: channels) }

  package func outputs(channels: Int) -> Int { mixture(channels).outputs }

  package func requireSuits(_ image: ImageShape) throws(Failure) {
    guard image.channels != 1, image.channels != 3 else { return }
    throw Failure(
      .badConfiguration, "model.likelihood logistic_mixture is for grey and colour images, but samples are \(image)",
      hint: "use images of 1 or 3 channels, or model.likelihood: discretized_logistic")
  }

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor { scope.graph.logisticMixture(x, location: location, mixture(channels)) }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor {
    graph.logisticMixtureMean(location, mixture(channels))
  }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    scope.graph.logisticMixtureSample(location, mixture(channels), stream: stream)
  }
}

extension LikelihoodMember {
  static var logisticMixture: Self {
    Self("logistic_mixture", settings: [Setting.mixtures]) { LogisticMixtures(mixtures: $0[.mixtures]) }
  }
}

extension Setting<Int> {
  package static var mixtures: Self {
    Self(
      "model.mixtures", 10, "mixtures of the likelihood logistic_mixture",
      "between 1 and \(LogisticMixture.mostMixtures)"
    ) { (1...LogisticMixture.mostMixtures).contains($0) }
  }
}
