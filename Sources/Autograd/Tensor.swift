import Kernels

/// Up to four extents, outermost first, stored inline: a shape is passed around in replayed code without counting.
package struct Shape: Equatable, Sendable, CustomStringConvertible, ExpressibleByArrayLiteral {
  private var extents: SIMD4<Int32> = [1, 1, 1, 1]
  package let rank: Int

  package init(_ dimensions: [Int]) {
    precondition(dimensions.count <= 4, "shape of more than four dimensions: \(dimensions)")
    precondition(dimensions.allSatisfy { $0 > 0 && $0 <= Int32.max }, "shape with an empty dimension: \(dimensions)")
    rank = dimensions.count
    for (i, d) in dimensions.enumerated() { extents[i] = Int32(d) }
  }

  package init(arrayLiteral elements: Int...) { self.init(elements) }

  package subscript(_ axis: Int) -> Int { Int(extents[axis]) }
  package var count: Int { (0..<rank).reduce(1) { $0 * self[$1] } }
  package var dimensions: [Int] { (0..<rank).map { self[$0] } }
  /// Elements of one row: everything but the first extent.
  package var rowCount: Int { count / max(self[0], 1) }
  package var description: String { "(" + dimensions.map(String.init).joined(separator: ", ") + ")" }
}

/// A value of the recorded graph: its shape and its place. The floats are reached through `Memory`.
package struct Tensor: Equatable, Sendable {
  package let index: Int
  package let shape: Shape
  package var count: Int { shape.count }
  /// First extent: samples of the microbatch, for everything that is not a parameter.
  package var rows: Int { shape[0] }
  package var columns: Int { shape.rowCount }
}

/// Where the tensors' floats are while a graph is replayed, and what the replay is about.
package struct Memory {
  private let values: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  private let gradients: UnsafeMutablePointer<Gradient>
  package let replay: Replay

  /// Where a gradient accumulates, and whether anything stands there yet in this backward replay.
  struct Gradient {
    var base: UnsafeMutablePointer<Float>?
    var isWritten = false
  }

  init(
    values: UnsafeMutablePointer<UnsafeMutablePointer<Float>>, gradients: UnsafeMutablePointer<Gradient>, replay: Replay
  ) {
    self.values = values
    self.gradients = gradients
    self.replay = replay
  }

  @inline(__always)
  package subscript(_ tensor: Tensor) -> UnsafeMutablePointer<Float> { values[tensor.index] }

  /// The gradient to read or add into, zero before its first use; nil when nobody needs it.
  @inline(__always)
  package func gradient(_ tensor: Tensor) -> UnsafeMutablePointer<Float>? {
    guard let base = gradients[tensor.index].base else { return nil }
    if !gradients[tensor.index].isWritten {
      gradients[tensor.index].isWritten = true
      base.zero(tensor.count)
    }
    return base
  }

  /// The gradient for a product to write: beta is 0 when it is the first to, which saves zeroing and reading.
  @inline(__always)
  package func product(into tensor: Tensor) -> (base: UnsafeMutablePointer<Float>, beta: Float)? {
    guard let base = gradients[tensor.index].base else { return nil }
    defer { gradients[tensor.index].isWritten = true }
    return (base, gradients[tensor.index].isWritten ? 1 : 0)
  }
}

/// Describes one replay: the samples that stand in the rows, the noise that they get, and whether dropout drops.
///
/// A replay is passed to `Graph.forward` whole, so that nothing of an earlier one is left over. Which kind it is says
/// the factory that makes it.
package struct Replay {
  /// Global index of the sample in each row, which keys its noise; nil where nothing is drawn. (batch)
  package let samples: UnsafePointer<UInt64>?
  package let seed: UInt64
  package let attempt: Int
  package let epoch: UInt32
  /// Standard deviation of the latent noise: 1, or 0 for the posterior mean.
  package let noiseScale: Float
  /// The first `filled` rows are samples: operations that compare samples with each other leave out the rest.
  package let filled: Int
  /// Whether dropout drops.
  package let isTraining: Bool

  /// Keys the noise of evaluation in place of an epoch's number: no training epoch has it.
  package static let evaluationEpoch = UInt32.max

  /// A microbatch of a training step, with latent noise and dropout.
  ///
  /// - samples: those of the rows, which have to stay in place until the backward replay is done. (batch)
  package static func training(
    _ samples: UnsafePointer<UInt64>, filled: Int, seed: UInt64, attempt: Int, epoch: UInt32
  ) -> Replay {
    Replay(
      samples: samples, seed: seed, attempt: attempt, epoch: epoch, noiseScale: 1, filled: filled, isTraining: true)
  }

  /// Samples under evaluation: latent noise that depends on seed and sample alone, and no dropout.
  ///
  /// - filled: by default every row is a sample.
  package static func evaluation(
    _ samples: UnsafePointer<UInt64>, filled: Int = .max, seed: UInt64
  ) -> Replay {
    Replay(
      samples: samples, seed: seed, attempt: 0, epoch: evaluationEpoch, noiseScale: 1, filled: filled,
      isTraining: false)
  }

  /// The draw of a number for samples under evaluation: its noise depends on seed, sample and number alone.
  package static func evaluation(
    _ samples: UnsafePointer<UInt64>, seed: UInt64, draw: Int
  ) -> Replay {
    Replay(
      samples: samples, seed: seed, attempt: 0, epoch: UInt32(truncatingIfNeeded: draw), noiseScale: 1, filled: .max,
      isTraining: false)
  }

  /// Draws from a model: their noise depends on the seed and the number of each draw alone, and there is no dropout.
  package static func generation(_ numbers: UnsafePointer<UInt64>, seed: UInt64) -> Replay {
    Replay(
      samples: numbers, seed: seed, attempt: 0, epoch: 0, noiseScale: 1, filled: .max, isTraining: false)
  }

  /// Neither dropout nor latent noise: z is the posterior mean. Operations that cannot do without noise refuse it.
  package static var deterministic: Replay {
    Replay(samples: nil, seed: 0, attempt: 0, epoch: 0, noiseScale: 0, filled: .max, isTraining: false)
  }

  /// A graph that draws nothing, as it was recorded.
  static var undrawn: Replay {
    Replay(samples: nil, seed: 0, attempt: 0, epoch: 0, noiseScale: 1, filled: .max, isTraining: true)
  }

  /// The same replay at the posterior mean.
  package var atMean: Replay {
    Replay(
      samples: samples, seed: seed, attempt: attempt, epoch: epoch, noiseScale: 0, filled: filled,
      isTraining: isTraining)
  }

  /// Rows of a tensor that are samples.
  func rows(of tensor: Tensor) -> Int { min(filled, tensor.rows) }

  /// What keys the noise of each row. (batch)
  var keys: UnsafePointer<UInt64> {
    guard let samples else { preconditionFailure("an operation draws noise in a replay that names no samples") }
    return samples
  }
}
