import Autograd
import Communication
import Data
import Foundation
import Kernels
import Training
import VAE

/// An estimate of -log p(x) in nats: the mean over samples and the standard error of that mean.
package struct LikelihoodEstimate: Sendable, Equatable {
  package var nll: Double
  package var standardError: Double
  /// Number of draws of z for each x.
  package var samples: Int
}

/// Estimates log p(x) >= E log 1/K sum_k p(x | z_k) p(z_k) / q(z_k | x), with z_k ~ q(z | x). The bound becomes tight
/// as K grows.
///
/// The weights are computed inside the graph, so the estimate works for every kind of latent. For each sample the
/// encoder runs once, and the operations after the draw of z run once for each draw.
///
/// Burda et al., "Importance weighted autoencoders", ICLR 2016.
package final class ImportanceEstimator {
  static let outputs: Set<ScoringOutput> = [.reconstruction, .logRatio]

  private let graph: ScoringGraph
  private let data: Dataset
  private let loader: BatchAssembler
  private let communicator: Communicator
  private let seed: UInt64
  private var weights = [StreamingLogSum](repeating: StreamingLogSum(), count: Validator.chunk)

  package init(_ model: TrainedModel, _ data: Dataset, _ communicator: Communicator) {
    graph = model.autoencoder.scoringGraph(
      batch: Validator.chunk, ImportanceEstimator.outputs, stream: "importance", redraws: true)
    loader = BatchAssembler(data: data, rows: Validator.chunk, configuration: model.configuration.data)
    self.data = data
    self.communicator = communicator
    seed = model.seed
  }

  /// Estimates -log p(x) over the whole data set. This call is collective.
  /// - k: Number of draws of z for each sample.
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

  /// Computes the log weights of K draws for each of these samples.
  private func weigh(_ range: Range<Int>, samples k: Int) throws(Failure) {
    let memory = graph.graph
    try loader.load(range, into: memory[graph.x], memory[graph.y], seed: seed)
    let logRatio = memory[graph[.logRatio]], nll = memory[graph[.reconstruction]]
    for row in weights.indices { weights[row] = StreamingLogSum() }
    for draw in 0..<k {
      let replay = Replay.evaluation(loader.samples, seed: seed, draw: draw)
      if draw == 0 { memory.forward(replay) } else { memory.redraw(replay) }
      for row in 0..<range.count { weights[row].add(Double(logRatio[row]) - Double(nll[row])) }
      Activity.advance(by: range.count)
    }
  }
}
