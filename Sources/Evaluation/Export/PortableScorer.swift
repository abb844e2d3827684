import Autograd
import Foundation
import Kernels
import Training
import VAE

extension PortableModel {
  /// x, y -> score, anomalous: what `RowScorer` and the calibration's threshold say of a row.
  ///
  /// - seed: of the draws of z, where the score has some; they are in the graph, the same for every row.
  package func scorer(_ calibration: Calibration, seed: UInt64) throws(Failure) -> PortableGraph {
    let writer = PortableWriter(), x = scaled(input(of: writer)), y = told(by: writer)
    let value =
      switch calibration.score {
      case .squaredError, .nll, .kl: try valueAtMean(calibration.score, x, y)
      case .negativeELBO, .likelihood: try valueOfDraws(calibration.score, x, y, draws: calibration.draws, seed: seed)
      }
    // What is no number is the most anomalous.
    let score = value.isNoNumber.choose(writer.scalar(.infinity), value)
    writer.output(score, as: "score", [])
    writer.output(score.isGreater(than: calibration.portableThreshold), as: "anomalous", [], isFlag: true)
    return writer.graph
  }

  /// Of z = mu. x, y: as the model sees them
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

  /// What depends on a draw of z is computed for rows (batch * draws, ...), the draws of a row one behind another; what
  /// does not depend on it is computed once for each row.
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
    // A flag of each row, which gives the noise of the draws the rows of the batch, and chooses nothing.
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

  /// As `RowScorer` draws: draw k is keyed by k alone. (draws, columns)
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
  /// The threshold for scores that are rounded otherwise: just above it, so that a row that stands on it, as one of the
  /// calibration often does, is not lifted over; and no nearer to the next score above than half the way.
  var portableThreshold: Float {
    let value = threshold.value, slack = ExportAgreement.limit * max(1, abs(value))
    let next = scores.first { $0 > value } ?? .infinity
    return Float(value + min(slack, (next - value) / 2))
  }
}
