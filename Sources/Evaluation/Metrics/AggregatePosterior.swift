import Communication
import Foundation
import Kernels

/// The mean of q(z | x) over samples, q(z), against the prior.
package struct AggregatePosterior: Sendable, Equatable {
  /// Samples that it was estimated from, evenly spaced in the set.
  package var samples: Int
  /// Of each unit under q(z), in closed form: E[mu], and Var[mu] + E[sigma^2].
  package var mean: [Double]
  package var variance: [Double]
  /// Largest |correlation| of two units' posterior means, of the 256 that vary most.
  package var largestCorrelation: Double
  /// I(x; z) under q, nats; no estimate from n samples exceeds log n.
  package var mutualInformation: Double
  /// KL(q(z) || p(z)), nats: what is left of the mean KL without I(x; z); nil of a prior that is another for every y.
  package var marginalKL: Double?
  /// Squared maximum mean discrepancy of q(z) and the prior, unbiased; its kernel is not that of `objective.mmd`.
  package var mmd: Double
  /// KL of a Gaussian with q(z)'s moments from one with the prior's, nats a unit: unlike `marginalKL`, it has no limit of
  /// log n.
  package var mismatch: Double

  package static let limit = 2048

  /// Collective; every rank has all posteriors and takes a share of the pairs.
  ///
  /// I = E_x E_q(z|x) [log q(z | x) - log 1/n sum_j q(z | x_j)], one z for each x, over KL: Hoffman and Johnson, "ELBO
  /// surgery", 2016. MMD: the kernel sum_s 2 d s / (2 d s + |a - b|^2), Tolstikhin et al., "Wasserstein auto-encoders",
  /// ICLR 2018.
  package init(
    _ posteriors: Posteriors, _ prior: PriorDraws, seed: UInt64, _ communicator: Communicator
  ) throws(Failure) {
    let n = posteriors.count, d = posteriors.latent
    samples = n
    let moments = CodeVariances(posteriors.mu, dimensions: d)
    mean = moments.mean
    variance = (0..<d).map { unit in
      moments.variance[unit]
        + stride(from: unit, to: n * d, by: d).reduce(0) { $0 + exp(Double(posteriors.logvar[$1])) / Double(n) }
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
