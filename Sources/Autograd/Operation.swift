/// One recorded step: forward and backward side by side in one file, saved values visible as outputs.
///
/// `backward` *adds* into the gradients of its inputs (`Memory` zeroes them before their first use), and may overwrite
/// those of its own outputs: their consumers have run by then. Neither allocates.
package protocol Operation {
  static var name: String { get }
  /// Everything that forward or backward reads and others wrote, also where there is no gradient to it: what is not
  /// named may be overwritten.
  var inputs: [Tensor] { get }
  var outputs: [Tensor] { get }
  /// Scratch that holds something from forward to backward. Scratch that is named nowhere keeps its values for ever.
  var kept: [Tensor] { get }
  /// Scratch that means something during one call alone.
  var workspace: [Tensor] { get }
  /// Multiplications and additions of forward, for the whole microbatch; what is not a matrix product counts as none.
  var multiplyAdds: Int { get }
  /// Whether backward reads what forward wrote: then nobody else may change it.
  var readsOutput: Bool { get }
  /// What `prepare` takes.
  var tableBytes: Int { get }
  /// Makes what replays read beside tensors; when recording has ended, so that a graph that is only measured has none.
  func prepare()
  func forward(_ memory: Memory)
  func backward(_ memory: Memory)
  /// Its matrix products alone, forward and backward, on whatever stands there: the floor that a step is measured
  /// against.
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

/// One that draws random numbers, keyed by the samples of a replay: counted apart where time is split.
package protocol NoiseOperation: Operation {}
