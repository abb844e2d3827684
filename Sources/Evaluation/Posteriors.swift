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
  /// exp(-logvar). (count, latent)
  package let inverse: [Float]

  /// - indices: by default the first.
  package init(count: Int, latent: Int, mu: [Float], logvar: [Float], indices: [Int]? = nil) {
    (self.count, self.latent, self.mu, self.logvar) = (count, latent, mu, logvar)
    self.indices = indices ?? Array(0..<count)
    var inverse = logvar.map { -$0 }
    inverse.withUnsafeMutableBufferPointer { values in
      if let base = values.baseAddress { vd_exp(base, base, values.count) }
    }
    self.inverse = inverse
  }

  /// At most so many of them, evenly spaced.
  package func spaced(_ limit: Int) -> Posteriors {
    guard limit < count else { return self }
    let kept = Encoder.spaced(limit, of: count)
    func rows(_ values: [Float]) -> [Float] { kept.flatMap { values[$0 * latent..<($0 + 1) * latent] } }
    return Posteriors(
      count: limit, latent: latent, mu: rows(mu), logvar: rows(logvar), indices: kept.map { indices[$0] })
  }

  /// Mean KL(q(z_j | x) || N(0, 1)) of each unit, nats.
  package var klPerUnit: [Double] {
    var kl = [Double](repeating: 0, count: latent)
    for at in mu.indices {
      let mean = Double(mu[at]), log = Double(logvar[at])
      kl[at % latent] += 0.5 * (mean * mean + exp(log) - log - 1) / Double(count)
    }
    return kl
  }

  package func codes(_ data: Dataset) -> LatentCodes {
    LatentCodes(latent: latent, mu: mu, labels: data.labels(of: indices), labelNames: data.classNames)
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

/// Shares the samples of a set out among ranks and replays the encoder over them, in chunks of fixed size.
package final class Encoder {
  private let graph: ELBOGraph
  private let loader: BatchLoader
  private let data: Dataset
  private let communicator: Communicator
  private let seed: UInt64

  package init(_ model: TrainedModel, _ data: Dataset, _ communicator: Communicator) {
    graph = model.autoencoder.elboGraph(batch: Validator.chunk, gradients: false)
    graph.graph.replay.isTraining = false
    loader = BatchLoader(data: data, rows: Validator.chunk, configuration: model.configuration.data)
    self.data = data
    self.communicator = communicator
    seed = model.seed
  }

  /// So many of `count` samples, evenly spaced: many sets are sorted.
  package static func spaced(_ limit: Int, of count: Int) -> [Int] {
    limit < count ? (0..<limit).map { $0 * count / limit } : Array(0..<count)
  }

  /// Collective. - limit: at most so many, evenly spaced.
  package func encode(limit: Int = .max) throws(Failure) -> Posteriors {
    try encode(Encoder.spaced(limit, of: data.count))
  }

  /// Collective. - indices: ascending.
  package func encode(_ indices: [Int]) throws(Failure) -> Posteriors {
    let latent = graph.inference.posterior.mu.columns
    let share = indices[Validator.share(of: indices.count, rank: communicator.rank, size: communicator.size)]
    let mine = try communicator.together { () throws(Failure) in try encode(share) }
    let parts = try communicator.gather(mine.withUnsafeBytes { [UInt8]($0) })
    var mu = [Float](), logvar = [Float]()
    for part in parts {
      part.withUnsafeBytes { bytes in
        let values = bytes.bindMemory(to: Float.self), half = values.count / 2
        mu += values[..<half]
        logvar += values[half...]
      }
    }
    return Posteriors(count: indices.count, latent: latent, mu: mu, logvar: logvar, indices: indices)
  }

  /// mu of all samples of a share, then logvar of all.
  private func encode(_ share: ArraySlice<Int>) throws(Failure) -> [Float] {
    var mu = [Float](), logvar = [Float]()
    let memory = graph.graph, latent = graph.inference.posterior.mu.columns
    try eachChunk(of: share) { filled in
      memory.forward()
      mu += UnsafeBufferPointer(start: memory[graph.inference.posterior.mu], count: filled * latent)
      logvar += UnsafeBufferPointer(start: memory[graph.inference.posterior.logvar], count: filled * latent)
    }
    return mu + logvar
  }

  /// Samples as the encoder sees them, on the rank that calls. (indices.count, elements)
  package func inputs(_ indices: [Int]) throws(Failure) -> [Float] {
    var x = [Float]()
    let memory = graph.graph
    try eachChunk(of: indices[...]) { filled in
      x += UnsafeBufferPointer(start: memory[graph.x], count: filled * graph.x.columns)
    }
    return x
  }

  /// Loads samples (ascending) chunk by chunk, and calls with how many there are.
  private func eachChunk(of indices: ArraySlice<Int>, _ body: (Int) -> Void) throws(Failure) {
    guard let low = indices.first, let high = indices.last else { return }
    let activity = Activity("encoding \(data.name)", of: indices.count)
    defer { activity.end() }
    try data.prepare(low..<high + 1)
    for first in stride(from: indices.startIndex, to: indices.endIndex, by: Validator.chunk) {
      let chosen = indices[first..<min(first + Validator.chunk, indices.endIndex)]
      try loader.load(chosen, into: graph.graph[graph.x], seed: seed, attempt: 0, epoch: validationEpoch)
      body(chosen.count)
      Activity.advance(by: chosen.count)
    }
  }
}
