import Autograd
import RunConfiguration
import Data
import Kernels

/// Fills a graph's inputs with samples and their conditions and pads the last rows. Image augmentation and binarisation
/// use keyed random numbers. Loading allocates no memory.
package final class BatchAssembler {
  private let data: Dataset
  private let rows: Int
  private let binarize: Binarization
  private let jitter: ImageJitter?
  private let elements: Int
  private let indices: UnsafeMutablePointer<Int>
  /// Global index of each row's sample. (rows)
  package let samples: UnsafeMutablePointer<UInt64>
  /// 1 for a sample, 0 for padding. (rows)
  package let weights: UnsafeMutablePointer<Float>
  private let uniforms: UnsafeMutablePointer<Float>
  private var order: BatchPlan.Order?
  private var orderKey = (slot: -1, epoch: -1)
  private static let stream = KeyedGenerator.hash("binarize")

  /// Allocates the buffers for `rows` samples.
  ///
  /// - Parameter configuration: Determines binarisation, and augmentation of training microbatches.
  package init(data: Dataset, rows: Int, configuration: Configuration.Data) {
    self.data = data
    self.rows = rows
    binarize = configuration.binarize
    jitter = ImageJitter(configuration, shape: data.shape)
    elements = data.shape.elementCount
    indices = Buffer.allocate(Int.self, count: rows)
    samples = Buffer.allocate(UInt64.self, count: rows)
    weights = Buffer.allocate(Float.self, count: rows)
    uniforms = Buffer.allocate(Float.self, count: binarize == .none ? 1 : rows * elements)
  }

  /// Number of bytes that an assembler allocates.
  static func bytes(rows: Int, elements: Int, binarize: Binarization) -> Int {
    rows * (MemoryLayout<Int>.stride + MemoryLayout<UInt64>.stride + MemoryLayout<Float>.stride)
      + (binarize == .none ? 0 : rows * elements * MemoryLayout<Float>.stride)
  }

  deinit {
    indices.deallocate()
    samples.deallocate()
    weights.deallocate()
    uniforms.deallocate()
  }

  /// Loads the chosen samples as validation sees them, without augmentation. x (rows, elements), y (rows, condition)
  package func load(
    _ chosen: some Collection<Int>, into x: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>?, seed: UInt64
  ) throws(Failure) {
    for (row, index) in chosen.enumerated() { indices[row] = index }
    try fill(chosen.count, x, y)
    draw(chosen.count, x, seed: seed, attempt: 0, epoch: Replay.evaluationEpoch)
  }

  /// Loads and augments the microbatch of a slot in a step. x (rows, elements), y (rows, condition)
  ///
  /// - Returns: The number of samples without padding.
  package func load(
    _ plan: BatchPlan, slot: Int, step: Int, into x: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>?,
    seed: UInt64, attempt: Int, epoch: Int
  ) throws(Failure) -> Int {
    if orderKey != (slot, epoch) {
      order = BatchPlan.Order(plan, slot: slot, seed: seed, epoch: epoch)
      orderKey = (slot, epoch)
    }
    let filled = order?.fill(indices, step: step) ?? 0
    let epoch = UInt32(truncatingIfNeeded: epoch)
    try fill(filled, x, y)
    jitter?.apply(x, samples: samples, rows: filled, seed: seed, attempt: attempt, epoch: epoch)
    draw(filled, x, seed: seed, attempt: attempt, epoch: epoch)
    return filled
  }

  private func fill(
    _ filled: Int, _ x: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>?
  ) throws(Failure) {
    precondition(
      (y == nil) == (data.condition == nil), "\(data.name): a condition is given if and only if the data has one")
    let chosen = UnsafeBufferPointer(start: indices, count: filled)
    try data.fill(chosen, into: x)
    (x + filled * elements).zero((rows - filled) * elements)
    if let y {
      let width = data.condition?.width ?? 0
      data.fillConditions(chosen, into: y)
      (y + filled * width).zero((rows - filled) * width)
    }
    for row in 0..<rows {
      samples[row] = row < filled ? UInt64(indices[row]) : 0
      weights[row] = row < filled ? 1 : 0
    }
  }

  private func draw(_ filled: Int, _ x: UnsafeMutablePointer<Float>, seed: UInt64, attempt: Int, epoch: UInt32) {
    guard binarize == .dynamic, filled > 0 else { return }
    KeyedGenerator(seed: seed, streamHash: BatchAssembler.stream, attempt: attempt)
      .uniform(into: uniforms, samples: samples, rows: filled, columns: elements, epoch: epoch)
    vd_binarize(x, uniforms, filled * elements)
  }
}
