import Data
import Kernels

/// What samples are made from: noise that the prior turns into z, and what the model is told with each.
package struct PriorSamples: Sendable {
  /// (count, noise columns)
  package let noise: [Float]
  /// (count, condition)
  package let y: [Float]
  /// Samples of a row where they are shown, and what rows are called, where each is of one class.
  package let columns: Int
  package let names: [String]

  /// As many as `y` has rows, or `count` of a model that is told nothing.
  package init(_ noise: PriorNoise, count: Int, y: [Float] = []) {
    (self.noise, self.y) = (noise.draw(count), y)
    (columns, names) = (8, [])
  }

  /// `each` of every one of these classes, class by class. The noise is the same for all: a column shows what the class
  /// alone changes.
  package init(_ noise: PriorNoise, each: Int, of classes: [Int], _ condition: Condition) {
    self.noise = repeated(noise.draw(each), classes.count)
    y = classes.flatMap { index in repeated(condition.oneHot(index), each) }
    (columns, names) = classes.count > 1 ? (each, classes.map { condition.names[$0] }) : (8, [])
  }
}

/// N(0, temperature^2 I), keyed by place.
package struct PriorNoise: Sendable {
  let columns: Int
  let seed: UInt64
  let temperature: Float
  let stream: String

  package init(columns: Int, seed: UInt64, temperature: Float = 1, stream: String = "pictures") {
    (self.columns, self.seed, self.temperature, self.stream) = (columns, seed, temperature, stream)
  }

  /// From the place `first` on. (count, columns)
  package func draw(_ count: Int, from first: Int = 0) -> [Float] {
    var noise = [Float](repeating: 0, count: count * columns)
    KeyedGenerator(seed: seed, stream: stream).normal(
      into: &noise, samples: (first..<first + count).map(UInt64.init), rows: count, columns: columns, epoch: 0)
    if temperature != 1 { for i in noise.indices { noise[i] *= temperature } }
    return noise
  }
}

/// The same values so many times.
package func repeated<Value>(_ values: [Value], _ count: Int) -> [Value] { (0..<count).flatMap { _ in values } }
