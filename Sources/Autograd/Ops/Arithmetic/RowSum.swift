import Kernels

/// y_i = sum_j x_ij. x (batch, n), y (batch)
struct RowSum: Operation {
  static let name = "row sum"
  let x, y: Tensor
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) { vd_row_sums(memory[y], memory[x], x.rows, x.columns) }

  func backward(_ memory: Memory) {
    guard let gx = memory.gradient(x), let gy = memory.gradient(y) else { return }
    vd_row_sums_backward(gx, gy, x.rows, x.columns)
  }
}

extension RowSum: PortableOperation {
  func translate(_ t: Translation) { t[y] = t[rows: x].sumOfRow() }
}

extension Graph {
  /// Sums over all dimensions except the first. (batch, ...) -> (batch)
  package func rowSum(_ x: Tensor) -> Tensor {
    let y = output([x.rows], of: [x])
    record(RowSum(x: x, y: y))
    return y
  }
}
