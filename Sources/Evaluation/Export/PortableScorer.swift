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
    let graph = autoencoder.scoringGraph(batch: 1), t = translation(of: graph.graph, into: x.writer)
    t[graph.x] = x
    t.give(graph.y, y)
    let result =
      switch score {
      case .kl: graph.kl
      case .nll: graph.reconstruction
      default: graph.mean
      }
    try t.write([result])
    guard score == .squaredError else { return t[result] }
    let d = x - t[rows: result]
    return x.isNoNumber.choose(x.writer.scalar(0), d * d).sumOfRow()
  }

  /// All draws of a row are rows of what follows the encoder: (batch * draws, ...).
  private func valueOfDraws(
    _ score: Score, _ x: PortableValue, _ y: PortableValue?, draws: Int, seed: UInt64
  ) throws(Failure) -> PortableValue {
    let writer = x.writer, latent = autoencoder.model.latent, graph = autoencoder.scoringGraph(batch: 1)
    let posterior = graph.inference.posterior,
      ones = writer.constant(.floats(.init(repeating: 1, count: draws)), [draws, 1])
    /// (batch, n) -> (batch, draws, n)
    func copies(_ value: PortableValue, _ n: Int) -> PortableValue { value.reshaped([1, n]) * ones }
    let encoder = translation(of: graph.graph, into: writer)
    encoder[graph.x] = x
    encoder.give(graph.y, y)
    try encoder.write([posterior.mu, posterior.logvar])
    let mu = copies(encoder[posterior.mu], latent), logvar = copies(encoder[posterior.logvar], latent)
    let eps = writer.constant(.floats(noise(draws: draws, seed: seed)), [draws, latent])
    let z = mu + (0.5 * logvar).exp * eps

    let rest = translation(of: graph.graph, into: writer)
    for (tensor, value) in [(posterior.mu, mu), (posterior.logvar, logvar), (graph.inference.z, z)] {
      rest[tensor] = value.merged([latent])
    }
    rest[graph.x] = copies(x, autoencoder.elements).merged([autoencoder.elements])
    if let y { rest.give(graph.y, copies(y, autoencoder.condition).merged([autoencoder.condition])) }
    try rest.write([graph.reconstruction, score == .negativeELBO ? graph.kl : graph.logPrior])
    let nll = rest[graph.reconstruction].merged([draws])
    if score == .negativeELBO { return (nll + rest[graph.kl].merged([draws])).sumOfRow() * (1 / Float(draws)) }
    // -log 1/K sum_k p(x | z_k) p(z_k) / q(z_k | x), where (z - mu)^2 / sigma^2 is eps^2
    let each = logvar + eps * eps + Float(log(2 * Double.pi)), prior = rest[graph.logPrior].merged([draws])
    let own = writer.node("ReduceSum", [0.5 * each, writer.list([2])], ["keepdims": .integer(0)])
    let total = writer.node(
      "ReduceLogSumExp", [prior + own - nll], ["axes": .integers([1]), "keepdims": .integer(0)])
    return Float(log(Double(draws))) - total
  }

  /// As `RowScorer` draws: draw k is keyed by k alone. (draws, latent)
  private func noise(draws: Int, seed: UInt64) -> [Float] {
    let latent = autoencoder.model.latent
    var values = [Float](repeating: 0, count: draws * latent)
    KeyedGenerator(seed: seed, stream: "eps")
      .normal(
        into: &values, samples: (0..<UInt64(draws)).map { $0 }, rows: draws, columns: latent,
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
