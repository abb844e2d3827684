import Autograd
import Foundation
import Kernels
import Training
import VAE

extension PortableModel {
  /// The scorer: x, y -> score, anomalous. It computes the score of `RowScorer` and compares it with the threshold.
  ///
  /// - seed: Seed of the draws of z, if the score needs them. They are constants of the graph and the same for every
  ///   row.
  package func scorer(_ calibration: Calibration, seed: UInt64) throws(Failure) -> PortableGraph {
    let writer = PortableWriter(), x = scaled(input(of: writer)), y = told(by: writer)
    let value =
      switch calibration.score {
      case .squaredError, .nll, .kl: try valueAtMean(calibration.score, x, y)
      case .negativeELBO, .likelihood: try valueOfDraws(calibration.score, x, y, draws: calibration.draws, seed: seed)
      }
    // A score that is NaN becomes infinity, the most anomalous score.
    let score = value.isNoNumber.choose(writer.scalar(.infinity), value)
    writer.output(score, as: "score", [])
    writer.output(score.isGreater(than: calibration.portableThreshold), as: "anomalous", [], isFlag: true)
    return writer.graph
  }

  /// The score with z = mu. x and y are in the model's scale.
  private func valueAtMean(_ score: Score, _ x: PortableValue, _ y: PortableValue?) throws(Failure) -> PortableValue {
    let output: ScoringOutput =
      switch score {
      case .kl: .kl
      case .nll: .reconstruction
      default: .mean
      }
    let graph = autoencoder.scoringGraph(batch: 1, [output]), t = translation(of: graph.graph, into: x.writer)
    t[graph.x] = x
    t.give(graph.y, y)
    let result = graph[output]
    try t.write([result])
    guard score == .squaredError else { return t[result] }
    let d = x - t[rows: result]
    return x.isNoNumber.choose(x.writer.scalar(0), d * d).sumOfRow()
  }

  /// The score with several draws of z. Operations that depend on z run on rows (batch * draws, ...), with the draws of
  /// a row in sequence. Operations that do not depend on z run once for each row.
  private func valueOfDraws(
    _ score: Score, _ x: PortableValue, _ y: PortableValue?, draws: Int, seed: UInt64
  ) throws(Failure) -> PortableValue {
    let writer = x.writer, second = score == .negativeELBO ? ScoringOutput.kl : .logRatio
    let graph = autoencoder.scoringGraph(batch: 1, [.reconstruction, second])
    let once = translation(of: graph.graph, into: writer), shared = graph.graph.drawFrontier
    once[graph.x] = x
    once.give(graph.y, y)
    try once.write(shared)
    let drawn = translation(of: graph.graph, into: writer)
    let ones = writer.constant(.floats(.init(repeating: 1, count: draws)), [draws, 1])
    for tensor in shared {
      let copies = once[rows: tensor].reshaped([1, tensor.columns]) * ones  // (batch, draws, columns)
      drawn[tensor] = copies.merged(Array(tensor.shape.dimensions.dropFirst()))
    }
    // This condition does not select between different values. It broadcasts the noise of the draws to the rows of the
    // batch.
    let rows = x.columns([0]).reshaped([1, 1]).isNoNumber
    for noise in graph.graph.noise {
      let columns = noise.tensor.columns
      let eps = writer.constant(.floats(self.noise(noise, draws: draws, seed: seed)), [draws, columns])
      drawn[noise.tensor] = rows.choose(eps, eps).merged([columns])
    }
    try drawn.write([graph[.reconstruction], graph[second]])
    let nll = drawn[graph[.reconstruction]].merged([draws]), other = drawn[graph[second]].merged([draws])
    if score == .negativeELBO { return (nll + other).sumOfRow() * (1 / Float(draws)) }
    // -log 1/K sum_k p(x | z_k) p(z_k) / q(z_k | x)
    let total = writer.node(
      "ReduceLogSumExp", [other - nll], ["axes": .integers([1]), "keepdims": .integer(0)])
    return Float(log(Double(draws))) - total
  }

  /// Draws noise as `RowScorer` does: the key of draw k is k. (draws, columns)
  private func noise(_ noise: (tensor: Tensor, streamHash: UInt64), draws: Int, seed: UInt64) -> [Float] {
    let columns = noise.tensor.columns
    var values = [Float](repeating: 0, count: draws * columns)
    KeyedGenerator(seed: seed, streamHash: noise.streamHash).normal(
      into: &values, samples: (0..<UInt64(draws)).map { $0 }, rows: draws, columns: columns,
      epoch: Replay.evaluationEpoch)
    return values
  }
}

extension Calibration {
  /// The threshold for scores with different rounding. It is slightly above the original threshold, so that a row
  /// exactly at the threshold, which is often a calibration row, does not exceed it by rounding. It is at most halfway
  /// to the next larger calibration score.
  var portableThreshold: Float {
    let value = threshold.value, slack = ExportAgreement.limit * max(1, abs(value))
    let next = scores.first { $0 > value } ?? .infinity
    return Float(value + min(slack, (next - value) / 2))
  }
}
