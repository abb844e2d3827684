import Autograd
import Kernels
import VAE

/// Decodes any number of latents to E[x | z] or to samples of p(x | z).
package final class LatentDecoder {
  /// Number of rows of a replay. The bits of a matrix product depend on it.
  package static let rows = 64

  private let decoder: GenerationGraph
  private let x: Tensor
  private let samples: UnsafeMutablePointer<UInt64>
  private let replay: Replay
  /// Number of the next latent, which keys the random numbers of its sample.
  package var first: UInt64 = 0

  /// Builds the decoder's graph.
  ///
  /// - Parameters:
  ///   - seed: Seed of x ~ p(x | z), with random numbers keyed by position; nil for E[x | z].
  ///   - parameters: Values to use in place of the store's.
  package init(
    _ autoencoder: VariationalAutoencoder, drawing seed: UInt64? = nil, parameters: UnsafeMutablePointer<Float>? = nil
  ) {
    let output = seed == nil ? GenerationOutput.mean : .draw
    decoder = autoencoder.generationGraph(
      batch: LatentDecoder.rows, from: .latents, [output], parameters: parameters)
    x = decoder[output]
    let samples = Buffer.allocate(UInt64.self, count: LatentDecoder.rows)
    self.samples = samples
    replay = seed.map { .generation(samples, seed: $0) } ?? .deterministic
  }

  deinit { samples.deallocate() }

  /// Decodes latents. z (count, latent), y (count, condition) -> (count, elements)
  package func decode(_ z: [Float], given y: [Float]) -> [Float] {
    let latent = decoder.input.columns, elements = x.columns, count = z.count / latent
    let condition = decoder.y?.columns ?? 0
    precondition(z.count == count * latent, "\(z.count) values for latents of \(latent)")
    precondition(
      y.count == count * condition, "\(y.count) values of a condition for \(count) latents, \(condition) each")
    var values: [Float] = []
    values.reserveCapacity(count * elements)
    for first in stride(from: 0, to: count, by: LatentDecoder.rows) {
      let filled = min(LatentDecoder.rows, count - first)
      decoder.graph.fill(decoder.input, z, rows: first..<first + filled)
      if let told = decoder.y { decoder.graph.fill(told, y, rows: first..<first + filled) }
      for row in 0..<LatentDecoder.rows { samples[row] = self.first + UInt64(first + row) }
      decoder.graph.forward(replay)
      values += UnsafeBufferPointer(start: decoder.graph[x], count: filled * elements)
    }
    return values
  }
}
