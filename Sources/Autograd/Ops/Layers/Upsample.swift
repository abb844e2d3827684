import Kernels

/// Nearest-neighbour upsampling: y[r, c] = x[r / factor, c / factor]. x (batch, rows, columns, channels)
struct Upsample: Operation {
  static let name = "upsample"
  let x, y: Tensor
  let factor: Int
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [y] }
  private var rows: Int { x.rows * x.shape[1] }

  func forward(_ memory: Memory) {
    vd_upsample(memory[y], memory[x], rows, x.shape[2], x.shape[3], factor)
  }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y), let gx = memory.product(into: x) else { return }
    vd_upsample_backward(gx.base, gy, rows, x.shape[2], x.shape[3], factor, gx.beta == 1 ? 1 : 0)
  }
}

extension Upsample: PortableOperation {
  func translate(_ t: Translation) {
    let scales = t.writer.list([1, 1, Float(factor), Float(factor)])
    t[images: y] = t.writer.node(
      "Resize", [t[images: x], nil, scales],
      [
        "mode": .text("nearest"), "nearest_mode": .text("floor"),
        "coordinate_transformation_mode": .text("asymmetric"),
      ])
  }
}

extension Graph {
  /// Repeats every pixel `factor` times along rows and columns, as in torch.nn.Upsample(mode="nearest").
  /// (batch, rows, columns, channels) -> (batch, factor rows, factor columns, channels)
  package func upsample(_ x: Tensor, by factor: Int) -> Tensor {
    precondition(x.shape.rank == 4 && factor > 0, "upsample \(scopeName): \(x.shape) by \(factor)")
    let y = output([x.rows, factor * x.shape[1], factor * x.shape[2], x.shape[3]], of: [x])
    record(Upsample(x: x, y: y, factor: factor))
    return y
  }
}
