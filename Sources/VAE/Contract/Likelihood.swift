import Autograd
import Foundation
import Kernels
import Layers
import Settings

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

/// What a likelihood is made of: its settings, and what the data says.
package struct LikelihoodSettings: Sendable, Equatable {
  package var values = SettingValues()
  /// Elements of each column of a table: set from the data.
  package var columns: [Int] = []
  /// Standard deviation where `model.sigma` is 0: set from the data, of a table.
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

/// The likelihoods by name: one line each.
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
