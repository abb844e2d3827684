/// One recorded step: forward and backward side by side in one file, saved values visible as outputs.
///
/// `backward` *adds* into the gradients of its inputs (`Memory` zeroes them before their first use), and may overwrite
/// those of its own outputs: their consumers have run by then. Neither allocates.
package protocol Operation {
  static var name: String { get }
  var inputs: [Tensor] { get }
  var outputs: [Tensor] { get }
  func forward(_ memory: Memory)
  func backward(_ memory: Memory)
  /// Its matrix products alone, forward and backward, on whatever stands there: the floor that a step is measured
  /// against.
  func products(_ memory: Memory)
}

extension Operation {
  package func products(_ memory: Memory) {}
}
