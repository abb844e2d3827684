import Autograd
import Communication
import Data
import Foundation
import Kernels
import Training
import VAE

/// -log p(x), nats, as the mean over samples, and the standard error of that mean.
package struct LikelihoodEstimate: Sendable, Equatable {
  package var nll: Double
  package var standardError: Double
  /// Importance samples for each x.
  package var samples: Int
}

/// log p(x) >= E log 1/K sum_k p(x | z_k) p(z_k) / q(z_k | x), z_k ~ q(z | x): tight as K grows.
///
/// Burda et al., "Importance weighted autoencoders", ICLR 2016.
package final class ImportanceEstimator {
  private let encoder: Encoder
  private let decoder: ConditionalGraph
  private let data: Dataset
  private let communicator: Communicator
  private let seed: UInt64
  private let noise: Buffer
  private let deviation: Buffer
  private var weights = [StreamingLogSum](repeating: StreamingLogSum(), count: Validator.chunk)

  package init(_ model: TrainedModel, _ data: Dataset, _ encoder: Encoder, _ communicator: Communicator) {
    self.encoder = encoder
    decoder = model.autoencoder.conditionalGraph(batch: Validator.chunk)
    self.data = data
    self.communicator = communicator
    seed = model.seed
    noise = Buffer(count: Validator.chunk * decoder.z.columns)
    deviation = Buffer(count: Validator.chunk * decoder.z.columns)
  }

  /// Collective.
  package func estimate(samples k: Int) throws(Failure) -> LikelihoodEstimate {
    let count = data.count
    let chunks = (count + Validator.chunk - 1) / Validator.chunk
    let share = Validator.share(of: count, rank: communicator.rank, size: communicator.size)
    let activity = Activity("estimating log p(x)", of: share.count * k)
    defer { activity.end() }
    let sums = try communicator.treeSum(leaves: chunks, width: 3) { chunk, row throws(Failure) in
      let first = chunk * Validator.chunk
      let filled = min(Validator.chunk, count - first)
      try weigh(first..<first + filled, samples: k)
      for i in 0..<filled {
        let nll = -weights[i].logMean
        row[0] += 1
        row[1] += nll
        row[2] += nll * nll
      }
    }
    let n = max(sums[0], 1), mean = sums[1] / n
    let variance: Double = n > 1 ? max(0, (sums[2] - n * mean * mean) / (n - 1)) : 0
    return LikelihoodEstimate(nll: mean, standardError: sqrt(variance / n), samples: k)
  }

  /// Log weights of K draws for each of these samples.
  private func weigh(_ range: Range<Int>, samples k: Int) throws(Failure) {
    let graph = encoder.graph, memory = graph.graph, latent = decoder.z.columns, rows = Validator.chunk
    try encoder.load(range)
    encoder.forward()
    let mu = memory[graph.posterior.mu], logvar = memory[graph.posterior.logvar]
    decoder.graph[decoder.x].update(from: memory[graph.x], count: rows * graph.x.columns)
    if let y = graph.y { decoder.graph[decoder.y]?.update(from: memory[y], count: y.count) }
    for row in 0..<rows { weights[row] = StreamingLogSum() }
    let generator = KeyedGenerator(seed: seed, stream: "importance")
    for draw in 0..<k {
      generator.normal(
        into: noise.base, samples: encoder.loader.samples, rows: rows, columns: latent, epoch: UInt32(draw))
      let z = decoder.graph[decoder.z], eps = noise.base
      vd_reparameterize(z, deviation.base, mu, logvar, eps, 1, rows * latent)
      decoder.graph.forward(.deterministic)
      Activity.advance(by: range.count)
      let nll = decoder.graph[decoder.reconstruction], logPrior = decoder.graph[decoder.logPrior]
      for row in 0..<range.count {
        var ratio = Double(logPrior[row])  // log p(z) - log q(z | x)
        for i in row * latent..<(row + 1) * latent {
          let drawn = Double(eps[i])
          ratio += 0.5 * (Double(logvar[i]) + drawn * drawn + log(2 * Double.pi))
        }
        weights[row].add(ratio - Double(nll[row]))
      }
    }
  }
}
