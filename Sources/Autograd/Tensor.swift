import Kernels

/// Up to four dimensions, outermost first. They are stored inline, so that copying a shape needs no reference counting.
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
  /// Number of elements of one row: the product of all dimensions except the first.
  package var rowCount: Int { count / max(self[0], 1) }
  package var description: String { "(" + dimensions.map(String.init).joined(separator: ", ") + ")" }
}

/// A value of the recorded graph, identified by index and shape. Its elements are accessed through `Memory`.
package struct Tensor: Equatable, Sendable {
  package let index: Int
  package let shape: Shape
  package var count: Int { shape.count }
  /// The first dimension. For every tensor that is not a parameter, it counts the samples of the microbatch.
  package var rows: Int { shape[0] }
  package var columns: Int { shape.rowCount }
}

/// The memory of all tensors during a replay, and the description of the replay.
package struct Memory {
  private let values: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  private let gradients: UnsafeMutablePointer<Gradient>
  package let replay: Replay

  /// The memory of a gradient, and whether the current backward replay has already written to it.
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

  /// The gradient to read or add to. It is zeroed before its first use. nil if the gradient is not needed.
  @inline(__always)
  package func gradient(_ tensor: Tensor) -> UnsafeMutablePointer<Float>? {
    guard let base = gradients[tensor.index].base else { return nil }
    if !gradients[tensor.index].isWritten {
      gradients[tensor.index].isWritten = true
      base.zero(tensor.count)
    }
    return base
  }

  /// The gradient as the destination of a matrix product. beta is 0 for the first write, which avoids zeroing and
  /// reading it.
  @inline(__always)
  package func product(into tensor: Tensor) -> (base: UnsafeMutablePointer<Float>, beta: Float)? {
    guard let base = gradients[tensor.index].base else { return nil }
    defer { gradients[tensor.index].isWritten = true }
    return (base, gradients[tensor.index].isWritten ? 1 : 0)
  }
}

/// Describes one replay: the sample of each row, its noise, and whether dropout is active.
///
/// `Graph.forward` takes a complete replay, so no state is left from an earlier one. The factory methods name the kinds
/// of replay.
package struct Replay {
  /// Global sample index of each row, which keys the noise; nil if no noise is drawn. (batch)
  package let samples: UnsafePointer<UInt64>?
  package let seed: UInt64
  package let attempt: Int
  package let epoch: UInt32
  /// Scale of the latent noise: 1, or 0 for the posterior mean.
  package let noiseScale: Float
  /// The number of leading rows that hold samples. Operations that compare samples with each other ignore the other
  /// rows.
  package let filled: Int
  /// Whether dropout is active.
  package let isTraining: Bool

  /// The epoch number that keys the noise of evaluation. No training epoch has this number.
  package static let evaluationEpoch = UInt32.max

  /// A microbatch of a training step, with latent noise and dropout.
  ///
  /// - samples: sample index of each row. The memory must stay valid until the backward replay ends. (batch)
  package static func training(
    _ samples: UnsafePointer<UInt64>, filled: Int, seed: UInt64, attempt: Int, epoch: UInt32
  ) -> Replay {
    Replay(
      samples: samples, seed: seed, attempt: attempt, epoch: epoch, noiseScale: 1, filled: filled, isTraining: true)
  }

  /// Samples for evaluation. The latent noise depends only on seed and sample, and dropout is inactive.
  ///
  /// - filled: number of rows that hold samples; all rows by default.
  package static func evaluation(
    _ samples: UnsafePointer<UInt64>, filled: Int = .max, seed: UInt64
  ) -> Replay {
    Replay(
      samples: samples, seed: seed, attempt: 0, epoch: evaluationEpoch, noiseScale: 1, filled: filled,
      isTraining: false)
  }

  /// A numbered draw for samples in evaluation. The latent noise depends only on seed, sample and draw number.
  package static func evaluation(
    _ samples: UnsafePointer<UInt64>, seed: UInt64, draw: Int
  ) -> Replay {
    Replay(
      samples: samples, seed: seed, attempt: 0, epoch: UInt32(truncatingIfNeeded: draw), noiseScale: 1, filled: .max,
      isTraining: false)
  }

  /// Draws from a model. The noise depends only on the seed and on the number of each draw, and dropout is inactive.
  package static func generation(_ numbers: UnsafePointer<UInt64>, seed: UInt64) -> Replay {
    Replay(
      samples: numbers, seed: seed, attempt: 0, epoch: 0, noiseScale: 1, filled: .max, isTraining: false)
  }

  /// No dropout and no latent noise, so z is the posterior mean. Operations that require noise trap.
  package static var deterministic: Replay {
    Replay(samples: nil, seed: 0, attempt: 0, epoch: 0, noiseScale: 0, filled: .max, isTraining: false)
  }

  /// A replay of a graph without noise operations.
  static var undrawn: Replay {
    Replay(samples: nil, seed: 0, attempt: 0, epoch: 0, noiseScale: 1, filled: .max, isTraining: true)
  }

  /// The same replay without latent noise, so that z is the posterior mean.
  package var atMean: Replay {
    Replay(
      samples: samples, seed: seed, attempt: attempt, epoch: epoch, noiseScale: 0, filled: filled,
      isTraining: isTraining)
  }

  /// Number of rows of a tensor that hold samples.
  func rows(of tensor: Tensor) -> Int { min(filled, tensor.rows) }

  /// The sample indices that key the noise of each row. Traps if the replay has none. (batch)
  var keys: UnsafePointer<UInt64> {
    guard let samples else { preconditionFailure("an operation draws noise in a replay that names no samples") }
    return samples
  }
}
