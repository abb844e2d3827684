import Autograd
import Kernels
import VAE

/// Transforms any amount of noise into z from a model's prior.
package final class PriorSampler {
  private let prior: GenerationGraph

  /// Builds the prior's graph.
  ///
  /// - Parameter parameters: Values to use in place of the store's.
  package init(_ autoencoder: VariationalAutoencoder, parameters: UnsafeMutablePointer<Float>? = nil) {
    prior = autoencoder.generationGraph(
      batch: LatentDecoder.rows, from: .prior, [.z], parameters: parameters)
  }

  /// Draws from the prior. noise (count, noise columns), y (count, condition) -> z (count, latent)
  package func draw(_ noise: [Float], given y: [Float]) -> [Float] {
    let columns = prior.input.columns, condition = prior.y?.columns ?? 0, count = noise.count / columns
    precondition(noise.count == count * columns, "\(noise.count) values for draws that take \(columns)")
    precondition(
      y.count == count * condition, "\(y.count) values of a condition for \(count) latents, \(condition) each")
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
  /// Copies rows of values into an input and sets its remaining rows to 0.
  func fill(_ input: Tensor, _ values: [Float], rows: Range<Int>) {
    let target = self[input], width = input.columns
    target.zero(input.count)
    for (place, value) in values[rows.lowerBound * width..<rows.upperBound * width].enumerated() {
      target[place] = value
    }
  }
}
