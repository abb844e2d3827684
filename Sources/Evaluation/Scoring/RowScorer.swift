import Autograd
import Foundation
import Kernels
import Training
import VAE

/// Computes anomaly scores of rows with graphs of fixed batch size. The score of a row does not depend on the other
/// rows of its batch or on its position there.
///
/// For scores that draw noise, draw k is the same for every row. Its key consists of the model's seed and k only.
package final class RowScorer {
  package let score: Score
  /// Number of draws of z for each row; 1 if the score is deterministic.
  package let draws: Int
  /// Batch size of the largest graph.
  package let rows: Int
  /// Graphs in ascending order of batch size. A row gets bitwise the same results in each of them.
  private var graphs: [ScoringGraph]
  /// The graph that ran last.
  private var graph: ScoringGraph
  private let samples: UnsafeMutablePointer<UInt64>
  private let seed: UInt64

  package init(_ autoencoder: VariationalAutoencoder, _ score: Score, draws: Int? = nil, seed: UInt64) {
    self.score = score
    self.draws = score.defaultDraws.map { draws ?? $0 } ?? 1
    self.seed = seed
    noiseColumns = autoencoder.latents.noiseColumns
    graph = RowScorer.graph(autoencoder)
    graphs = [graph]
    rows = graph.graph.batch
    samples = Buffer.allocate(UInt64.self, count: rows)
  }

  deinit { samples.deallocate() }

  /// Input rows, scaled. The caller writes them here. (rows, elements)
  package var x: UnsafeMutablePointer<Float> { graph.graph[graph.x] }
  package var elements: Int { graph.x.columns }
  /// What the model is conditioned on for each row, written here by the caller; nil for an unconditional model. (rows,
  /// condition)
  package var y: UnsafeMutablePointer<Float>? { graph.graph[graph.y] }
  /// E[x | z = mu] of the rows, valid after `replayAtMean`. (rows, elements)
  package var mean: UnsafePointer<Float> { UnsafePointer(graph.graph[graph[.mean]]) }
  /// Mean of the posterior of the rows, valid after `replayAtMean`; `logvar` has the same shape. (rows, latent)
  package var mu: UnsafePointer<Float> { UnsafePointer(graph.graph[graph[.code]]) }
  package var logvar: UnsafePointer<Float> { UnsafePointer(graph.graph[graph[.logvar]]) }
  /// Batch sizes of the graphs, ascending.
  package var sizes: [Int] { graphs.map(\.graph.batch) }
  package var latent: Int { graph[.code].columns }
  /// Number of noise values for one draw from the prior.
  package let noiseColumns: Int

  /// Scores of the first `filled` rows of `x`. A score that is NaN is returned as infinity.
  package func scores(of filled: Int) -> [Double] {
    choose(filled)
    let memory = graph.graph
    func values(_ tensor: Tensor) -> [Double] { (0..<filled).map { Double(memory[tensor][$0]) } }
    let found: [Double]
    switch score {
    case .squaredError:
      found = squaredErrors(filled)
    case .nll:
      replayMean()
      found = values(graph[.reconstruction])
    case .kl:
      replayMean()
      found = values(graph[.kl])
    case .negativeELBO:
      var sums = [Double](repeating: 0, count: filled)
      for draw in 0..<draws {
        replay(draw)
        let nll = values(graph[.reconstruction]), kl = values(graph[.kl])
        for row in 0..<filled { sums[row] += nll[row] + kl[row] }
      }
      found = sums.map { $0 / Double(draws) }
    case .likelihood:
      found = importanceWeighted(filled)
    }
    return found.map { $0.isNaN ? .infinity : $0 }
  }

  /// Runs the model with z = mu on the first `filled` rows of `x`, or on all rows when `filled` is nil.
  package func replayAtMean(of filled: Int? = nil) {
    choose(filled ?? rows)
    replayMean()
  }

  /// Selects the smallest graph with enough rows.
  private func choose(_ filled: Int) { graph = graphs.first { $0.graph.batch >= filled } ?? graph }

  private func replayMean() { graph.graph.forward(.deterministic) }

  /// Runs the model with one draw of z. Draws must run in order from 0, because only draw 0 runs the encoder.
  private func replay(_ draw: Int) {
    for row in 0..<rows { samples[row] = UInt64(draw) }
    let replay = Replay.evaluation(samples, seed: seed)
    if draw == 0 { graph.graph.forward(replay) } else { graph.graph.redraw(replay) }
  }

  private func squaredErrors(_ filled: Int) -> [Double] {
    replayMean()
    var errors = [Float](repeating: 0, count: filled)
    vd_squared_distances(&errors, x, mean, filled, elements)
    return errors.map(Double.init)
  }

  /// -log 1/K sum_k p(x | z_k) p(z_k) / q(z_k | x), with z_k ~ q(z | x) (Burda et al., 2016).
  private func importanceWeighted(_ filled: Int) -> [Double] {
    let nll = graph.graph[graph[.reconstruction]], logRatio = graph.graph[graph[.logRatio]]
    var weights = [StreamingLogSum](repeating: StreamingLogSum(), count: filled)
    for draw in 0..<draws {
      replay(draw)
      for row in 0..<filled { weights[row].add(Double(logRatio[row]) - Double(nll[row])) }
    }
    return weights.map { -$0.logMean }
  }
}

extension RowScorer {
  private static let trialSizes = [Validator.chunk, 64, 32, 16, 8, 4, 2, 1]

  /// Builds the largest graph in which the position of a row does not change its results. Matrix product kernels may
  /// sum the last rows of a block, or the rows between two blocks, in a different order. For example, OpenBLAS does so
  /// for Haswell and Zen in a batch of 128 rows but not in a batch of 8.
  private static func graph(_ autoencoder: VariationalAutoencoder) -> ScoringGraph {
    for size in trialSizes.dropLast() {
      let graph = prepared(autoencoder, size)
      if ignoresPlace(graph) { return graph }
    }
    return prepared(autoencoder, 1)
  }

  private static func prepared(_ autoencoder: VariationalAutoencoder, _ rows: Int) -> ScoringGraph {
    var outputs: Set<ScoringOutput> = [.code, .z, .reconstruction, .kl, .logRatio, .mean]
    if autoencoder.latents.isGaussian { outputs.insert(.logvar) }
    return autoencoder.scoringGraph(batch: rows, outputs, redraws: true)
  }

  /// Adds graphs with smaller batches, for a few rows at a time. A batch size is added only if its results are bitwise
  /// equal to those of the largest graph, because a different batch size may change the order of summation.
  package func admitSmallReplays(of autoencoder: VariationalAutoencoder) {
    let large = graph, rows = self.rows
    var small = Self.trialSizes.filter { $0 < rows }.reversed().map { size in
      let graph = Self.prepared(autoencoder, size)
      for (small, large) in zip([graph.x, graph.y], [large.x, large.y]) {
        if let small, let large { graph.graph.point(small, to: self.graph.graph[large]) }
      }
      return graph
    }
    let generator = KeyedGenerator(seed: 0, stream: "sizes")
    for trial in 0..<3 {
      for input in [large.x, large.y].compactMap({ $0 }) {
        generator.uniform(
          into: large.graph[input], samples: (0..<rows).map(UInt64.init), rows: rows, columns: input.columns,
          epoch: UInt32(trial))
      }
      for isDrawn in [false, true] {
        replay(large, trial, isDrawn: isDrawn)
        small.removeAll { graph in
          replay(graph, trial, isDrawn: isDrawn)
          return !Self.agree(graph, large)
        }
      }
    }
    for input in [large.x, large.y].compactMap({ $0 }) { large.graph[input].zero(rows * input.columns) }
    graphs = small + [large]
  }

  private func replay(_ graph: ScoringGraph, _ draw: Int, isDrawn: Bool) {
    for row in 0..<rows { samples[row] = UInt64(draw) }
    graph.graph.forward(isDrawn ? .evaluation(samples, seed: seed) : .deterministic)
  }

  /// Whether two graphs computed bitwise equal results for the same rows, compared over the rows of the smaller one.
  private static func agree(_ small: ScoringGraph, _ large: ScoringGraph) -> Bool {
    zip(small.outputs, large.outputs).allSatisfy { a, b in
      memcmp(small.graph[a], large.graph[b], a.count * MemoryLayout<Float>.stride) == 0
    }
  }

  /// Whether a row gets bitwise the same results in every position, tested with three random rows.
  private static func ignoresPlace(_ graph: ScoringGraph) -> Bool {
    let memory = graph.graph, rows = memory.batch
    let generator = KeyedGenerator(seed: 0, stream: "place")
    return (0..<3).allSatisfy { trial in
      let one = [UInt64](repeating: UInt64(trial), count: rows)
      for input in [graph.x, graph.y].compactMap({ $0 }) {
        generator.uniform(into: memory[input], samples: one, rows: rows, columns: input.columns, epoch: 0)
      }
      memory.forward(.deterministic)
      return graph.outputs.allSatisfy { tensor in
        let bytes = tensor.columns * MemoryLayout<Float>.stride
        return (1..<rows).allSatisfy { memcmp(memory[tensor], memory[tensor] + $0 * tensor.columns, bytes) == 0 }
      }
    }
  }
}
