import Communication
import Foundation
import Kernels

/// The aggregate posterior q(z), the mean of q(z | x) over samples, compared with the prior.
package struct AggregatePosterior: Sendable, Equatable {
  /// Number of samples used, evenly spaced in the data set.
  package var samples: Int
  /// Mean of each unit under q(z): E[mu]. `variance` is Var[mu] + E[sigma^2]. Both are exact for the samples used.
  package var mean: [Double]
  package var variance: [Double]
  /// The largest absolute correlation between the posterior means of two units, among the 256 units with the largest
  /// variance.
  package var largestCorrelation: Double
  /// I(x; z) under q, nats. An estimate from n samples cannot exceed log n.
  package var mutualInformation: Double
  /// KL(q(z) || p(z)), nats: the mean KL minus I(x; z). It is nil for a prior that depends on y.
  package var marginalKL: Double?
  /// Unbiased squared maximum mean discrepancy between q(z) and the prior. Its kernel differs from that of
  /// `objective.mmd`.
  package var mmd: Double
  /// KL from a diagonal Gaussian with the moments of q(z) to one with the moments of the prior, nats per unit. Unlike
  /// `marginalKL`, it does not depend on an estimate that is limited to log n.
  package var mismatch: Double

  package static let limit = 2048

  /// Computes the statistics. Every rank passes all posteriors and processes a share of the pairs. This call is
  /// collective.
  ///
  /// The mutual information is I = E_x E_q(z|x) [log q(z | x) - log 1/n sum_j q(z | x_j)], with one draw of z for each
  /// x (Hoffman and Johnson, "ELBO surgery", 2016). The kernel of the MMD is sum_s 2 d s / (2 d s + |a - b|^2)
  /// (Tolstikhin et al., "Wasserstein auto-encoders", ICLR 2018).
  package init(
    _ posteriors: Posteriors, _ prior: PriorDraws, seed: UInt64, _ communicator: Communicator
  ) throws(Failure) {
    let n = posteriors.count, d = posteriors.latent
    samples = n
    let moments = CodeVariances(posteriors.mu, dimensions: d)
    mean = moments.mean
    variance = (0..<d).map { unit in
      var mean = 0.0
      for place in stride(from: unit, to: n * d, by: d) { mean += exp(Double(posteriors.logvar[place])) / Double(n) }
      return moments.variance[unit] + mean
    }
    let (codes, units) = mostVarying(posteriors.mu, dimensions: d, most: PrincipalComponents.mostDimensions)
    largestCorrelation = CodeMoments(codes, dimensions: units).largestCorrelation

    let z = posteriors.draw(seed: seed), inverse = posteriors.inverse
    let drawn = prior.z
    let leaves = (n + AggregatePosterior.rows - 1) / AggregatePosterior.rows
    let sums = try communicator.treeSum(leaves: leaves, width: 5) { leaf, row in
      let range = leaf * AggregatePosterior.rows..<min(n, (leaf + 1) * AggregatePosterior.rows)
      for i in range {
        row[0] += posteriors.logRatio(of: i, z, inverse)
        row[1] += posteriors.divergence(of: i)
        row[2] += AggregatePosterior.similarity(i, of: z, to: z, n, d, without: i)
        row[3] += AggregatePosterior.similarity(i, of: drawn, to: drawn, n, d, without: i)
        row[4] += AggregatePosterior.similarity(i, of: z, to: drawn, n, d, without: nil)
      }
    }
    let count = Double(max(n, 1)), pairs = Double(max(n * (n - 1), 1))
    mutualInformation = sums[0] / count
    marginalKL = prior.isMarginal ? sums[1] / count - mutualInformation : nil
    mmd = (sums[2] + sums[3]) / pairs - 2 * sums[4] / (count * count)
    mismatch = prior.divergence(of: mean, variance) / Double(max(1, d))
  }

  private static let rows = 64

  private static let scales = [0.1, 0.2, 0.5, 1, 2, 5, 10]

  private static func similarity(
    _ i: Int, of a: [Float], to b: [Float], _ n: Int, _ d: Int, without left: Int?
  ) -> Double {
    var total = 0.0
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        for j in 0..<n where j != left {
          var distance: Float = 0
          for k in 0..<d {
            let difference = a[i * d + k] - b[j * d + k]
            distance += difference * difference
          }
          for scale in scales { total += 2 * Double(d) * scale / (2 * Double(d) * scale + Double(distance)) }
        }
      }
    }
    return total
  }
}

extension Posteriors {
  /// log q(z_i | x_i) - log 1/n sum_j q(z_i | x_j), nats.
  fileprivate func logRatio(of i: Int, _ z: [Float], _ inverse: [Float]) -> Double {
    var sum = StreamingLogSum(), own = 0.0
    z.withUnsafeBufferPointer { z in
      mu.withUnsafeBufferPointer { mu in
        logvar.withUnsafeBufferPointer { logvar in
          inverse.withUnsafeBufferPointer { inverse in
            for j in 0..<count {
              var quadratic: Float = 0, logs: Float = 0
              for k in 0..<latent {
                let at = j * latent + k, difference = z[i * latent + k] - mu[at]
                quadratic += difference * difference * inverse[at]
                logs += logvar[at]
              }
              let density = -0.5 * Double(quadratic + logs)
              sum.add(density)
              if j == i { own = density }
            }
          }
        }
      }
    }
    return own - sum.logMean
  }
}
