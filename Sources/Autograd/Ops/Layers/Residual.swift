import Kernels

/// y += x in place. The preceding operation has just written y, so neither y nor its gradient is copied.
struct Residual: Operation {
  static let name = "residual"
  let x, y: Tensor
  var inputs: [Tensor] { [x, y] }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) { vd_add(memory[y], memory[x], y.count) }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y), let gx = memory.product(into: x) else { return }
    if gx.beta == 0 {
      gx.base.update(from: gy, count: y.count)
    } else {
      vd_add(gx.base, gy, y.count)
    }
  }
}

extension Residual: PortableOperation {
  func translate(_ t: Translation) { t[images: y] = t[images: y] + t[images: x] }
}

extension Graph {
  /// Adds x to y in place and returns y. y must be an output of the last recorded operation, and the backward of that
  /// operation must not read it. If x needs a gradient, y must need one too.
  package func add(_ x: Tensor, to y: Tensor) -> Tensor {
    guard let last = operations.last, last.outputs.contains(where: { $0.index == y.index }), !last.readsOutput else {
      preconditionFailure("residual \(scopeName): \(y.shape) is not the last operation's to change")
    }
    precondition(
      x.shape == y.shape && x.index != y.index && (needsGradient(y) || !needsGradient(x)),
      "residual \(scopeName): \(x.shape) added to \(y.shape)")
    record(Residual(x: x, y: y))
    return y
  }
}
