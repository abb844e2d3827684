import Autograd
import Foundation
import Kernels
import Layers

/// p(x | z). The decoder gives a location (logits or mean, nothing squashed); what turns it into a distribution lives
/// here, one file each in Likelihoods/.
///
/// Data x are (batch, pixels * channels); a location is (batch, pixels * outputs), a pixel's outputs innermost.
package protocol Likelihood: Sendable {
  /// What the data must be.
  var support: Support { get }
  var nature: Nature { get }
  /// Values that the decoder gives for a pixel.
  func outputs(channels: Int) -> Int
  /// Fails where it cannot model such samples.
  func requireSuits(_ image: ImageShape) throws(Failure)
  /// -log p(x | z) per sample, nats, summed over dimensions. -> (batch)
  func negativeLogLikelihood(_ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope) -> Tensor
  /// E[x | z], differentiable. -> (batch, pixels * channels)
  func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor
  /// x ~ p(x | z), keyed by sample and stream, so that the same sample is the same draw. -> (batch, pixels * channels)
  func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor
}

/// The numbers that a likelihood is a distribution of.
package enum Support: Sendable {
  case real, unitInterval
  /// Multiples of 1/255 from 0 to 1.
  case levels
}

package enum Nature: Sendable {
  /// Probabilities of the values themselves.
  case discrete
  /// Densities, in units of the scaled data.
  case continuous
  /// No distribution of x alone: the value says nothing in bits.
  case unnormalized
}

extension Likelihood {
  package func outputs(channels: Int) -> Int { channels }
  package func requireSuits(_ image: ImageShape) throws(Failure) {}
}

/// What configuration says about a likelihood.
package struct LikelihoodSettings: Sendable, Equatable {
  package var kind = "bernoulli"
  /// Of `gaussian` and `columns`.
  package var sigma: Float = 1
  /// Of `logistic_mixture`.
  package var mixtures = 10
  /// Of `columns` and `columns_learned`, set from the data: elements of each column of a table.
  package var columns: [Int] = []

  package init() {}
}

/// The likelihoods by name: one line each.
package enum LikelihoodRegistry {
  package static let likelihoods: [(name: String, make: @Sendable (LikelihoodSettings) -> any Likelihood)] = [
    ("bernoulli", { _ in Bernoulli() }),
    ("continuous_bernoulli", { _ in ContinuousBernoulli() }),
    ("gaussian", { Gaussian(sigma: $0.sigma) }),
    ("gaussian_learned", { _ in GaussianLearned() }),
    ("gaussian_pixel", { _ in GaussianPixel() }),
    ("gaussian_optimal", { _ in GaussianOptimal() }),
    ("laplace", { _ in Laplace() }),
    ("discretized_logistic", { _ in DiscretizedLogistic() }),
    ("columns", { Columns(sizes: $0.columns, sigma: $0.sigma) }),
    ("columns_learned", { Columns(sizes: $0.columns, sigma: nil) }),
    ("logistic_mixture", { LogisticMixtures(mixtures: $0.mixtures) }),
  ]

  package static var names: [String] { likelihoods.map(\.name) }

  package static func make(_ settings: LikelihoodSettings) throws(Failure) -> any Likelihood {
    guard let likelihood = likelihoods.first(where: { $0.name == settings.kind }) else {
      throw Failure(
        .badConfiguration, "there is no likelihood '\(settings.kind)'",
        hint: "model.likelihood is one of: " + names.joined(separator: ", "))
    }
    return likelihood.make(settings)
  }
}

/// Turns nats per sample into bits per dimension.
///
/// Discrete: nats / (D ln 2). A density of data scaled by y = (x - offset) * scale is one of the stored values x when
/// it is multiplied by the scale, so bits = nats / (D ln 2) - mean_j log2(scale_j): bytes divided by 255 add log2(255).
package struct BitsPerDimension: Sendable, Equatable {
  private let dimensions: Int
  private let correction: Double

  /// nil where the value is no likelihood. `scale`: of every dimension, or one of all.
  package init?(_ nature: Nature, dimensions: Int, scale: [Float]) {
    switch nature {
    case .unnormalized: return nil
    case .discrete: correction = 0
    case .continuous: correction = -scale.reduce(0) { $0 + log2(Double($1)) } / Double(scale.count)
    }
    self.dimensions = dimensions
  }

  package func callAsFunction(nats: Double) -> Double { nats / (Double(dimensions) * log(2)) + correction }
}
