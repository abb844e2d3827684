import Autograd
import Foundation
import Kernels
import Layers
import Settings

/// The likelihood p(x | z). The decoder returns an unconstrained location, such as logits or a mean, and the likelihood
/// turns it into a distribution. Each likelihood has its own file in Likelihoods/.
///
/// Data x have shape (batch, pixels * channels). A location has shape (batch, pixels * outputs), and the outputs of a
/// pixel are contiguous.
package protocol Likelihood: Sendable {
  /// The values that the data may have.
  var support: Support { get }
  /// Whether the values are probabilities, densities or neither; this decides whether bits per dimension are defined.
  var nature: Nature { get }
  /// The number of decoder outputs for each pixel.
  func outputs(channels: Int) -> Int
  /// Throws if the likelihood does not support samples of this shape.
  func requireSuits(_ image: ImageShape) throws(Failure)
  /// -log p(x | z) for each sample, in nats, summed over dimensions. Returns (batch).
  func negativeLogLikelihood(_ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope) -> Tensor
  /// E[x | z], differentiable. Returns (batch, pixels * channels).
  func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor
  /// Draws x ~ p(x | z), with noise keyed by sample and stream. The same sample always gets the same noise. Returns
  /// (batch, pixels * channels).
  func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor
}

/// The set of values on which a likelihood is defined.
package enum Support: Sendable {
  case real, unitInterval
  /// Multiples of 1/255 from 0 to 1.
  case levels
}

/// The kind of number that a likelihood returns.
package enum Nature: Sendable {
  /// A probability of the stored values.
  case discrete
  /// A density with respect to the scaled data.
  case continuous
  /// A value that is not a normalised density of x. Bits per dimension are undefined.
  case unnormalized
}

extension Likelihood {
  package func outputs(channels: Int) -> Int { channels }
  package func requireSuits(_ image: ImageShape) throws(Failure) {}
}

/// The inputs for making a likelihood: its settings, and properties of the data.
package struct LikelihoodSettings: Sendable, Equatable {
  package var values = SettingValues()
  /// Number of elements of each table column. Set from the data.
  package var columns: [Int] = []
  /// The standard deviation for tables if `model.sigma` is 0. Set from the data.
  package var kernelWidth: Float?

  package init() {}

  package subscript<Value>(_ setting: Setting<Value>) -> Value {
    get { values[setting] }
    set { values[setting] = newValue }
  }

  var sigma: Float {
    if self[.sigma] == 0, let kernelWidth { return kernelWidth }
    return Float(self[.sigma])
  }
}

package typealias LikelihoodMember = Member<LikelihoodSettings, any Likelihood>

/// The registered likelihoods.
package enum LikelihoodRegistry {
  package static let all = Registry<LikelihoodSettings, any Likelihood>(
    "likelihood", key: "model.likelihood",
    [
      .bernoulli,
      .continuousBernoulli,
      .gaussian,
      .gaussianLearned,
      .gaussianPixel,
      .gaussianOptimal,
      .laplace,
      .discretizedLogistic,
      .columns,
      .columnsLearned,
      .logisticMixture,
    ])
}

/// Converts nats per sample to bits per dimension.
///
/// For discrete likelihoods, bits = nats / (D ln 2). For a density of scaled data y = (x - offset) * scale, the density
/// of the stored values x is the density of y times the scale. So bits = nats / (D ln 2) - mean_j log2(scale_j). For
/// bytes that were divided by 255, the correction adds log2(255).
package struct BitsPerDimension: Sendable, Equatable {
  private let dimensions: Int
  private let correction: Double

  /// Returns nil if the likelihood is not normalised. `scale` has one value for each dimension, or one value for all.
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
