import Autograd
import Communication
import Data
import Kernels
import Training
import VAE

/// q(z | x) of the first samples of a set, on every rank. Row-major.
package struct Posteriors: Sendable {
  package let count: Int
  package let latent: Int
  /// (count, latent)
  package let mu: [Float]
  /// (count, latent)
  package let logvar: [Float]
  /// exp(-logvar). (count, latent)
  package let inverse: [Float]

  package init(count: Int, latent: Int, mu: [Float], logvar: [Float]) {
    (self.count, self.latent, self.mu, self.logvar) = (count, latent, mu, logvar)
    var inverse = logvar.map { -$0 }
    inverse.withUnsafeMutableBufferPointer { values in
      if let base = values.baseAddress { vd_exp(base, base, values.count) }
    }
    self.inverse = inverse
  }

  /// z = mu + exp(logvar / 2) * eps, keyed by sample. (count, latent)
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

  /// Collective. - limit: at most so many, from the first.
  package func encode(limit: Int = .max) throws(Failure) -> Posteriors {
    let count = min(limit, data.count), latent = graph.inference.posterior.mu.columns
    let share = Validator.share(of: count, rank: communicator.rank, size: communicator.size)
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
    return Posteriors(count: count, latent: latent, mu: mu, logvar: logvar)
  }

  /// mu of all samples of a range, then logvar of all.
  private func encode(_ range: Range<Int>) throws(Failure) -> [Float] {
    var mu = [Float](), logvar = [Float]()
    let memory = graph.graph, latent = graph.inference.posterior.mu.columns
    for first in stride(from: range.lowerBound, to: range.upperBound, by: Validator.chunk) {
      let filled = min(Validator.chunk, range.upperBound - first)
      try loader.load(
        first..<first + filled, into: memory[graph.x], seed: seed, attempt: 0, epoch: validationEpoch)
      memory.forward()
      mu += UnsafeBufferPointer(start: memory[graph.inference.posterior.mu], count: filled * latent)
      logvar += UnsafeBufferPointer(start: memory[graph.inference.posterior.logvar], count: filled * latent)
    }
    return mu + logvar
  }
}
