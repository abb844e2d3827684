import Autograd
import Kernels
import VAE

/// z of a model's prior for as much noise as one likes.
package final class PriorSampler {
  private let prior: GenerationGraph

  /// - parameters: other values than the store's.
  package init(_ autoencoder: VariationalAutoencoder, parameters: UnsafeMutablePointer<Float>? = nil) {
    prior = autoencoder.generationGraph(
      batch: LatentDecoder.rows, from: .prior, [.z], parameters: parameters)
  }

  /// noise (count, latent), y (count, condition) -> z (count, latent)
  package func draw(_ noise: [Float], given y: [Float]) -> [Float] {
    let columns = prior.input.columns, condition = prior.y?.columns ?? 0, count = noise.count / columns
    precondition(noise.count == count * columns, "\(noise.count) values for draws that take \(columns)")
    precondition(y.count == count * condition, "\(y.count) values to tell of \(count) latents, \(condition) of each")
    var z: [Float] = []
    z.reserveCapacity(count * prior[.z].columns)
    for first in stride(from: 0, to: count, by: LatentDecoder.rows) {
      let filled = min(LatentDecoder.rows, count - first)
      prior.graph.fill(prior.input, noise, rows: first..<first + filled)
      if let told = prior.y { prior.graph.fill(told, y, rows: first..<first + filled) }
      prior.graph.forward()
      z += UnsafeBufferPointer(start: prior.graph[prior[.z]], count: filled * prior[.z].columns)
    }
    return z
  }
}

extension Graph {
  /// Some rows of values into an input, 0 behind them.
  func fill(_ input: Tensor, _ values: [Float], rows: Range<Int>) {
    let target = self[input], width = input.columns
    target.zero(input.count)
    for (place, value) in values[rows.lowerBound * width..<rows.upperBound * width].enumerated() {
      target[place] = value
    }
  }
}
