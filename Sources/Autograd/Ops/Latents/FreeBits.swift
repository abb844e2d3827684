import Kernels

/// y = max(x, floor). If the KL of a unit is below the floor, its penalty is constant and its gradient is 0.
///
/// The floor applies to each sample and unit. Kingma et al. (2016) use the minibatch mean instead, which would make the
/// result depend on the batch.
struct FreeBits: Operation {
  static let name = "free bits"
  let x, y: Tensor
  /// The floor in nats; not differentiated. (1)
  let floor: Tensor
  var inputs: [Tensor] { [x, floor] }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) { vd_floor(memory[y], memory[x], x.count, memory[floor][0]) }

  func backward(_ memory: Memory) {
    guard let gx = memory.gradient(x), let gy = memory.gradient(y) else { return }
    vd_floor_backward(gx, gy, memory[x], x.count, memory[floor][0])
  }
}

extension FreeBits: PortableOperation {
  func translate(_ t: Translation) { t[y] = t.writer.node("Max", [t[x], t[floor]]) }
}

extension Graph {
  /// max(kl, floor) in nats, elementwise. floor (1) must not be negative.
  package func freeBits(_ kl: Tensor, floor: Tensor) -> Tensor {
    precondition(floor.count == 1, "free bits of \(floor.shape)")
    requireConstant(floor, "free bits: the floor")
    let y = output(kl.shape, of: [kl])
    record(FreeBits(x: kl, y: y, floor: floor))
    return y
  }
}
