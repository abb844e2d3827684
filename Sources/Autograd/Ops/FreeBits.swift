import Kernels

/// y = max(x, floor): a latent unit's KL below the floor costs nothing more and gets no gradient.
///
/// Per sample and dimension (Kingma et al., 2016, use the minibatch mean, which would tie the result to the batch).
struct FreeBits: Operation {
  static let name = "free bits"
  let x, y: Tensor
  let floor: Float
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) { vd_floor(memory[y], memory[x], x.count, floor) }

  func backward(_ memory: Memory) {
    guard let gx = memory.gradient(x), let gy = memory.gradient(y) else { return }
    vd_floor_backward(gx, gy, memory[x], x.count, floor)
  }
}

extension Graph {
  /// max(kl, floor) in nats, elementwise; the tensor itself when the floor is 0, since a KL is never negative.
  package func freeBits(_ kl: Tensor, floor: Float) -> Tensor {
    precondition(floor >= 0, "free bits of \(floor)")
    guard floor > 0 else { return kl }
    let y = output(kl.shape, of: [kl])
    record(FreeBits(x: kl, y: y, floor: floor))
    return y
  }
}
