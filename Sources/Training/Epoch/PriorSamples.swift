import Data
import Kernels

/// Inputs of prior samples: the noise that the prior transforms into z, and the conditions.
package struct PriorSamples: Sendable {
  /// Noise. (count, noise columns)
  package let noise: [Float]
  /// Conditions. (count, condition)
  package let y: [Float]
  /// Number of samples in a row of the display, and the names of the rows if each shows one class.
  package let columns: Int
  package let names: [String]

  /// Creates `count` samples with the conditions `y`, which is empty for an unconditional model. y (count, condition)
  package init(_ noise: PriorNoise, count: Int, y: [Float] = []) {
    (self.noise, self.y) = (noise.draw(count), y)
    (columns, names) = (8, [])
  }

  /// Creates `each` samples of every class, class by class. All classes use the same noise, so that the samples in a
  /// column differ only by the class.
  package init(_ noise: PriorNoise, each: Int, of classes: [Int], _ condition: Condition) {
    self.noise = repeated(noise.draw(each), classes.count)
    y = classes.flatMap { index in repeated(condition.oneHot(index), each) }
    (columns, names) = classes.count > 1 ? (each, classes.map { condition.names[$0] }) : (8, [])
  }
}

/// Noise from N(0, temperature^2 I), keyed by position.
package struct PriorNoise: Sendable {
  let columns: Int
  let seed: UInt64
  let temperature: Float
  let stream: String

  package init(columns: Int, seed: UInt64, temperature: Float = 1, stream: String = "pictures") {
    (self.columns, self.seed, self.temperature, self.stream) = (columns, seed, temperature, stream)
  }

  /// Draws noise for the positions from `first` on. (count, columns)
  package func draw(_ count: Int, from first: Int = 0) -> [Float] {
    var noise = [Float](repeating: 0, count: count * columns)
    KeyedGenerator(seed: seed, stream: stream).normal(
      into: &noise, samples: (first..<first + count).map(UInt64.init), rows: count, columns: columns, epoch: 0)
    if temperature != 1 { for i in noise.indices { noise[i] *= temperature } }
    return noise
  }
}

/// The values repeated `count` times.
package func repeated<Value>(_ values: [Value], _ count: Int) -> [Value] { (0..<count).flatMap { _ in values } }
