import Data
import Foundation
import Kernels
import Training
import VAE

/// One draw from the model's prior for each of a list of samples. In a conditional model, the draw is conditioned on
/// the y of the sample.
package struct PriorDraws: Sendable {
  /// (count, latent)
  package let z: [Float]
  /// Mean of each unit: exact for a standard normal prior, and estimated from the draws otherwise. The same holds for
  /// the variance.
  package let mean: [Double]
  package let variance: [Double]
  /// Whether the prior is the same for all samples.
  package let isMarginal: Bool

  package init(_ model: TrainedModel, _ data: Dataset, _ posteriors: Posteriors) {
    let latent = posteriors.latent, count = max(1, posteriors.count)
    z = PriorSampler(model.autoencoder).draw(
      PriorNoise(columns: model.autoencoder.latents.noiseColumns, seed: model.seed, stream: "prior").draw(
        posteriors.count),
      given: data.conditions(of: posteriors.indices))
    let isStandard = model.configuration.model.prior == PriorRegistry.standard
    isMarginal = isStandard || model.condition == nil
    guard !isStandard else {
      (mean, variance) = (repeated([0], latent), repeated([1], latent))
      return
    }
    var sums = [Double](repeating: 0, count: latent), squares = sums
    for at in z.indices {
      sums[at % latent] += Double(z[at])
      squares[at % latent] += Double(z[at]) * Double(z[at])
    }
    let n = Double(count)
    mean = sums.map { $0 / n }
    variance = zip(sums, squares).map { max(1e-30, $1 / n - ($0 / n) * ($0 / n)) }
  }

  /// KL between diagonal Gaussians, from the one with the given mean and variance to the one with the prior's, nats.
  func divergence(of mean: [Double], _ variance: [Double]) -> Double {
    zip(zip(mean, variance), zip(self.mean, self.variance)).reduce(0) { sum, unit in
      let ((m, v), (priorMean, priorVariance)) = unit
      let ratio = max(v, 1e-30) / priorVariance, shift = m - priorMean
      return sum + 0.5 * (ratio + shift * shift / priorVariance - log(ratio) - 1)
    }
  }
}
