/// A recorded operation. Forward and backward are defined together in one file, and values saved for backward are
/// tensors of the operation.
///
/// `backward` *adds* to the gradients of the inputs (`Memory` zeroes them before their first use). It may overwrite the
/// gradients of its own outputs, because all operations that use these outputs have already run. Neither `forward` nor
/// `backward` allocates memory.
package protocol Operation {
  static var name: String { get }
  /// All tensors that forward or backward reads and that other operations write, including those without a gradient.
  /// The memory of a tensor that is not listed may be overwritten.
  var inputs: [Tensor] { get }
  var outputs: [Tensor] { get }
  /// Scratch tensors that must keep their values from forward to backward. A scratch tensor that no operation lists
  /// keeps its memory during the whole replay.
  var kept: [Tensor] { get }
  /// Scratch tensors that are needed only during one call.
  var workspace: [Tensor] { get }
  /// Multiply-adds of the forward matrix products for the whole microbatch. Other arithmetic is not counted.
  var multiplyAdds: Int { get }
  /// Whether backward reads the output of forward. If so, no other operation may change it.
  var readsOutput: Bool { get }
  /// Memory that `prepare` allocates, in bytes.
  var tableBytes: Int { get }
  /// Makes tables that replays read in addition to tensors. It is called by `Graph.finalize`, so a graph that is only
  /// measured does not allocate them.
  func prepare()
  func forward(_ memory: Memory)
  func backward(_ memory: Memory)
  /// Executes only the matrix products of forward and backward on the current contents of memory. Their time is the
  /// lower bound with which a training step is compared.
  func products(_ memory: Memory)
}

extension Operation {
  package var kept: [Tensor] { [] }
  package var workspace: [Tensor] { [] }
  package var multiplyAdds: Int { 0 }
  package var readsOutput: Bool { true }
  package var tableBytes: Int { 0 }
  package func prepare() {}
  package func products(_ memory: Memory) {}
}

/// An operation that draws random numbers, keyed by the samples of a replay. Reports show its time separately.
package protocol NoiseOperation: Operation {}
