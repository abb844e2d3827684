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

/// What one replay is about: which samples, and which noise.
package struct Replay {
  /// Global index of the sample in each row; noise is keyed by it. (batch)
  package var samples: UnsafePointer<UInt64>
  package var seed: UInt64
  package var attempt: Int
  package var epoch: UInt32
  /// Standard deviation of the latent noise: 1, or 0 for the posterior mean.
  package var noiseScale: Float = 1
  /// How many rows, the first, are samples: what compares samples with each other leaves out the rest.
  package var filled = Int.max
  /// Whether dropout drops.
  package var isTraining = true

  package init(samples: UnsafePointer<UInt64>, seed: UInt64, attempt: Int = 0, epoch: UInt32 = 0) {
    self.samples = samples
    self.seed = seed
    self.attempt = attempt
    self.epoch = epoch
  }

  /// Rows of a tensor that are samples.
  func rows(of tensor: Tensor) -> Int { min(filled, tensor.rows) }
}
