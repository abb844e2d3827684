import Autograd
import Communication
import Data
import Foundation
import Kernels
import Training
import VAE

/// q(z | x) of some samples of a data set, the same on every rank. All arrays are row-major.
package struct Posteriors: Sendable {
  package let count: Int
  package let latent: Int
  /// Indices of the samples in the data set.
  package let indices: [Int]
  /// (count, latent)
  package let mu: [Float]
  /// (count, latent)
  package let logvar: [Float]
  /// KL(q(z | x) || p(z)) of each unit under the model's prior, nats. (count, latent)
  package let kl: [Float]

  /// Creates posteriors from arrays of shape (count, latent).
  /// - kl: KL of each unit. The default is the KL to N(0, I).
  /// - indices: Indices of the samples. The default is 0..<count.
  package init(
    count: Int, latent: Int, mu: [Float], logvar: [Float], kl: [Float]? = nil, indices: [Int]? = nil
  ) {
    (self.count, self.latent, self.mu, self.logvar) = (count, latent, mu, logvar)
    self.kl =
      kl
      ?? zip(mu, logvar).map { mu, logvar in
        let mean = Double(mu), log = Double(logvar)
        return Float(0.5 * (mean * mean + exp(log) - log - 1))
      }
    self.indices = indices ?? Array(0..<count)
  }

  /// exp(-logvar). (count, latent)
  var inverse: [Float] {
    var inverse = logvar.map { -$0 }
    inverse.withUnsafeMutableBufferPointer { values in
      if let base = values.baseAddress { vd_exp(base, base, values.count) }
    }
    return inverse
  }

  /// At most `limit` of the posteriors, evenly spaced.
  package func spaced(_ limit: Int) -> Posteriors {
    guard limit < count else { return self }
    let kept = (0..<count).spaced(limit)
    func rows(_ values: [Float]) -> [Float] { kept.flatMap { values[$0 * latent..<($0 + 1) * latent] } }
    return Posteriors(
      count: limit, latent: latent, mu: rows(mu), logvar: rows(logvar), kl: rows(kl), indices: kept.map { indices[$0] })
  }

  /// KL of one sample summed over units, nats.
  func divergence(of i: Int) -> Double { kl[i * latent..<(i + 1) * latent].reduce(0) { $0 + Double($1) } }

  /// KL of each unit, averaged over samples, nats. (latent)
  package var klPerUnit: [Double] {
    var means = [Double](repeating: 0, count: latent)
    for at in kl.indices { means[at % latent] += Double(kl[at]) / Double(count) }
    return means
  }

  /// The posterior means with the labels and conditions of the samples.
  package func codes(_ data: Dataset) -> LatentCodes {
    LatentCodes(
      latent: latent, mu: mu, labels: data.labels(of: indices), labelNames: data.classNames,
      conditions: data.conditions(of: indices))
  }

  /// Draws z = mu + exp(logvar / 2) * eps. The noise is keyed by the position in this list. (count, latent)
  package func draw(seed: UInt64, stream: String = "evaluate") -> [Float] {
    let samples = (0..<count).map(UInt64.init)
    let noise = Buffer(count: count * latent), deviation = Buffer(count: count * latent)
    var z = [Float](repeating: 0, count: count * latent)
    KeyedGenerator(seed: seed, stream: stream)
      .normal(into: noise.base, samples: samples, rows: count, columns: latent, epoch: 0)
    vd_reparameterize(&z, deviation.base, mu, logvar, noise.base, 1, count * latent)
    return z
  }
}

/// Runs the encoder on samples of a data set, in batches of fixed size. The samples are divided among the ranks.
package final class Encoder {
  static let outputs: Set<ScoringOutput> = [.code, .logvar, .rate]
  let graph: ScoringGraph
  let loader: BatchAssembler
  private let data: Dataset
  private let communicator: Communicator
  private let seed: UInt64

  package init(_ model: TrainedModel, _ data: Dataset, _ communicator: Communicator) {
    graph = model.autoencoder.scoringGraph(batch: Validator.chunk, Encoder.outputs)
    loader = BatchAssembler(data: data, rows: Validator.chunk, configuration: model.configuration.data)
    self.data = data
    self.communicator = communicator
    seed = model.seed
  }

  /// Encodes samples. Every rank receives all posteriors. This call is collective.
  /// - indices: Indices of the samples, ascending.
  package func encode(_ indices: [Int]) throws(Failure) -> Posteriors {
    let share = share(of: indices), tensors = [graph[.code], graph[.logvar], graph[.rate]]
    let mine = try communicator.together { () throws(Failure) in try encode(share, tensors) }
    func all(_ values: [Float]) throws(Failure) -> [Float] {
      try communicator.gather(values.withUnsafeBytes { [UInt8]($0) }).flatMap { part in
        part.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      }
    }
    return Posteriors(
      count: indices.count, latent: tensors[0].columns, mu: try all(mine[0]), logvar: try all(mine[1]),
      kl: try all(mine[2]), indices: indices)
  }

  /// Returns mu of samples as an array of shape (indices.count, latent) on the root, and an empty array on other ranks.
  /// This call is collective.
  /// - indices: Indices of the samples, ascending.
  package func means(_ indices: [Int]) throws(Failure) -> [Float] {
    let share = share(of: indices), mu = graph[.code]
    let mine = try communicator.together { () throws(Failure) in try encode(share, [mu])[0] }
    return try communicator.gatherOnRoot(mine).values
  }

  private func share(of indices: [Int]) -> ArraySlice<Int> {
    indices[Validator.share(of: indices.count, rank: communicator.rank, size: communicator.size)]
  }

  /// Values of each of the tensors for all samples of a share.
  private func encode(_ share: ArraySlice<Int>, _ tensors: [Tensor]) throws(Failure) -> [[Float]] {
    var values = tensors.map { _ in [Float]() }
    try eachChunk(of: share) { filled in
      forward()
      for (i, tensor) in tensors.enumerated() {
        values[i] += UnsafeBufferPointer(start: graph.graph[tensor], count: filled * tensor.columns)
      }
    }
    return values
  }

  /// Samples as the encoder receives them. Only the calling rank reads them. (indices.count, elements)
  package func inputs(_ indices: [Int]) throws(Failure) -> [Float] {
    var x = [Float]()
    try eachChunk(of: indices[...]) { filled in
      x += UnsafeBufferPointer(start: graph.graph[graph.x], count: filled * graph.x.columns)
    }
    return x
  }

  /// Copies samples, at most one batch, to the input of the encoder. They must have been prepared.
  func load(_ chosen: some Collection<Int>) throws(Failure) {
    try loader.load(chosen, into: graph.graph[graph.x], graph.graph[graph.y], seed: seed)
  }

  /// Runs the encoder on the samples that were loaded last. Its noise depends only on the model's seed and the sample.
  func forward() { graph.graph.forward(.evaluation(loader.samples, seed: seed)) }

  /// Loads samples batch by batch and calls `body` with the number of samples in each batch. The indices must be
  /// ascending.
  private func eachChunk(of indices: ArraySlice<Int>, _ body: (Int) -> Void) throws(Failure) {
    guard let low = indices.first, let high = indices.last else { return }
    let activity = Activity("encoding \(data.name)", of: indices.count)
    defer { activity.end() }
    try data.prepare(low..<high + 1)
    for first in stride(from: indices.startIndex, to: indices.endIndex, by: Validator.chunk) {
      let chosen = indices[first..<min(first + Validator.chunk, indices.endIndex)]
      try load(chosen)
      body(chosen.count)
      Activity.advance(by: chosen.count)
    }
  }
}
