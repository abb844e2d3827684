import Kernels

/// y_ij = x_i,chosen(j). x (batch, n), y (batch, chosen)
struct SelectColumns: Operation {
  static let name = "select columns"
  let x, y: Tensor
  let chosen: [Int32]
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) {
    vd_select_columns(memory[y], memory[x], chosen, x.rows, x.columns, chosen.count)
  }

  func backward(_ memory: Memory) {
    guard let gx = memory.gradient(x), let gy = memory.gradient(y) else { return }
    vd_select_columns_backward(gx, gy, chosen, x.rows, x.columns, chosen.count)
  }
}

extension SelectColumns: PortableOperation {
  func translate(_ t: Translation) { t[y] = t[rows: x].columns(chosen.map(Int.init)) }
}

extension Graph {
  /// Selects columns of x in the given order. A column may be selected more than once. (batch, n) ->
  /// (batch, chosen.count)
  package func columns(_ x: Tensor, _ chosen: [Int]) -> Tensor {
    precondition(
      !chosen.isEmpty && chosen.allSatisfy((0..<x.columns).contains), "columns \(chosen) of \(x.shape)")
    let y = output([x.rows, chosen.count], of: [x])
    record(SelectColumns(x: x, y: y, chosen: chosen.map(Int32.init)))
    return y
  }
}
