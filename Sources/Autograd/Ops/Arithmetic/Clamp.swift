import Kernels

/// y = min(max(x, low), high). As in torch.clamp, the gradient is passed on inside the range and is 0 outside.
struct Clamp: Operation {
  static let name = "clamp"
  let x, y: Tensor
  let low, high: Float
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) { vd_clamp(memory[y], memory[x], x.count, low, high) }

  func backward(_ memory: Memory) {
    guard let gx = memory.gradient(x), let gy = memory.gradient(y) else { return }
    vd_clamp_backward(gx, gy, memory[x], x.count, low, high)
  }
}

extension Clamp: PortableOperation {
  func translate(_ t: Translation) { t.map(x, to: y) { $0.limited(low, high) } }
}

extension Graph {
  /// Limits x to low...high, elementwise. Any shape.
  package func clamp(_ x: Tensor, low: Float, high: Float) -> Tensor {
    precondition(low < high, "clamp to an empty range \(low)...\(high)")
    let y = output(x.shape, of: [x])
    record(Clamp(x: x, y: y, low: low, high: high))
    return y
  }
}
