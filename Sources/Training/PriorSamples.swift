import Data
import Kernels

/// Latents from the prior, and what the decoder is told with each.
package struct PriorSamples: Sendable {
  /// (count, latent)
  package let z: [Float]
  /// (count, condition)
  package let y: [Float]
  /// Samples of a row where they are shown, and what rows are called, where each is of one class.
  package let columns: Int
  package let names: [String]

  /// As many as `y` has rows, or `count` of a model that is told nothing.
  package init(_ draw: PriorDraw, count: Int, y: [Float] = []) {
    (z, self.y) = (draw.latents(count), y)
    (columns, names) = (8, [])
  }

  /// `each` of every one of these classes, class by class. The noise is the same for all: a column shows what the class
  /// alone changes.
  package init(_ draw: PriorDraw, each: Int, of classes: [Int], _ condition: Condition) {
    let noise = draw.latents(each)
    z = classes.flatMap { _ in noise }
    y = classes.flatMap { index in repeated(condition.oneHot(index), each) }
    (columns, names) = classes.count > 1 ? (each, classes.map { condition.names[$0] }) : (8, [])
  }
}

/// z ~ N(0, temperature^2 I), keyed by place.
package struct PriorDraw: Sendable {
  let latent: Int
  let seed: UInt64
  let temperature: Float

  package init(latent: Int, seed: UInt64, temperature: Float = 1) {
    (self.latent, self.seed, self.temperature) = (latent, seed, temperature)
  }

  /// (count, latent)
  func latents(_ count: Int) -> [Float] {
    var z = [Float](repeating: 0, count: count * latent)
    KeyedGenerator(seed: seed, stream: "pictures").normal(
      into: &z, samples: (0..<count).map(UInt64.init), rows: count, columns: latent, epoch: 0)
    if temperature != 1 { for i in z.indices { z[i] *= temperature } }
    return z
  }
}

/// The same values so many times.
package func repeated<Value>(_ values: [Value], _ count: Int) -> [Value] { (0..<count).flatMap { _ in values } }
