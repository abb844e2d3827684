import Autograd
import Communication
import Data
import Foundation
import Kernels
import Training
import VAE

/// q(z | x) of some samples of a set, on every rank. Row-major.
package struct Posteriors: Sendable {
  package let count: Int
  package let latent: Int
  /// Which samples of the set they are.
  package let indices: [Int]
  /// (count, latent)
  package let mu: [Float]
  /// (count, latent)
  package let logvar: [Float]
  /// KL(q(z | x) || p(z)) by unit, nats, as the model has it. (count, latent)
  package let kl: [Float]

  /// - kl: by default to N(0, I). - indices: by default the first.
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

  /// At most so many of them, evenly spaced.
  package func spaced(_ limit: Int) -> Posteriors {
    guard limit < count else { return self }
    let kept = (0..<count).spaced(limit)
    func rows(_ values: [Float]) -> [Float] { kept.flatMap { values[$0 * latent..<($0 + 1) * latent] } }
    return Posteriors(
      count: limit, latent: latent, mu: rows(mu), logvar: rows(logvar), kl: rows(kl), indices: kept.map { indices[$0] })
  }

  /// KL of one sample, nats.
  func divergence(of i: Int) -> Double { kl[i * latent..<(i + 1) * latent].reduce(0) { $0 + Double($1) } }

  /// Its mean over samples, of each unit.
  package var klPerUnit: [Double] {
    var means = [Double](repeating: 0, count: latent)
    for at in kl.indices { means[at % latent] += Double(kl[at]) / Double(count) }
    return means
  }

  package func codes(_ data: Dataset) -> LatentCodes {
    LatentCodes(
      latent: latent, mu: mu, labels: data.labels(of: indices), labelNames: data.classNames,
      conditions: data.conditions(of: indices))
  }

  /// z = mu + exp(logvar / 2) * eps, keyed by place. (count, latent)
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

/// Replays the encoder over samples of a set, shared out among ranks, in chunks of fixed size.
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

  /// Collective. - indices: ascending.
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

  /// mu of samples on the root, and nothing elsewhere. Collective. - indices: ascending. (indices.count, latent)
  package func means(_ indices: [Int]) throws(Failure) -> [Float] {
    let share = share(of: indices), mu = graph[.code]
    let mine = try communicator.together { () throws(Failure) in try encode(share, [mu])[0] }
    return try communicator.gatherOnRoot(mine).values
  }

  private func share(of indices: [Int]) -> ArraySlice<Int> {
    indices[Validator.share(of: indices.count, rank: communicator.rank, size: communicator.size)]
  }

  /// What stands in each of these tensors, of all samples of a share.
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

  /// Samples as the encoder sees them, on the rank that calls. (indices.count, elements)
  package func inputs(_ indices: [Int]) throws(Failure) -> [Float] {
    var x = [Float]()
    try eachChunk(of: indices[...]) { filled in
      x += UnsafeBufferPointer(start: graph.graph[graph.x], count: filled * graph.x.columns)
    }
    return x
  }

  /// Puts prepared samples, a chunk at most, where the encoder finds them.
  func load(_ chosen: some Collection<Int>) throws(Failure) {
    try loader.load(chosen, into: graph.graph[graph.x], graph.graph[graph.y], seed: seed)
  }

  /// Replays the encoder over what was loaded last; noise depends on the model's seed and the sample alone.
  func forward() { graph.graph.forward(.evaluation(loader.samples, seed: seed)) }

  /// Loads samples (ascending) chunk by chunk, and calls with how many there are.
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
