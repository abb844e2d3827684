import Kernels

/// y = [a, b, ...], concatenated along the columns. a (batch, m), b (batch, n), y (batch, m + n + ...)
struct Concatenate: Operation {
  static let name = "concatenate"
  let parts: [Tensor]
  let y: Tensor
  var inputs: [Tensor] { parts }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) {
    var at = 0
    for part in parts {
      vd_copy_columns(memory[y], memory[part], part.rows, part.columns, y.columns, at)
      at += part.columns
    }
  }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y) else { return }
    var at = 0
    for part in parts {
      if let gx = memory.gradient(part) {
        vd_copy_columns_backward(gx, gy, part.rows, part.columns, y.columns, at)
      }
      at += part.columns
    }
  }
}

extension Concatenate: PortableOperation {
  func translate(_ t: Translation) {
    t[y] = t.writer.node("Concat", parts.map { t[rows: $0] }, ["axis": .integer(1)])
  }
}

extension Graph {
  /// Concatenates along the columns. (batch, n_1), (batch, n_2), ... -> (batch, sum n_i)
  package func concatenate(_ parts: [Tensor]) -> Tensor {
    precondition(!parts.isEmpty && parts.allSatisfy { $0.rows == parts[0].rows }, "concatenate \(parts.map(\.shape))")
    guard parts.count > 1 else { return parts[0] }
    let y = output([parts[0].rows, parts.reduce(0) { $0 + $1.columns }], of: parts)
    record(Concatenate(parts: parts, y: y))
    return y
  }

  /// Concatenates x and y along the columns, or returns x if y is nil. (batch, m), (batch, n) -> (batch, m + n)
  package func beside(_ x: Tensor, _ y: Tensor?) -> Tensor { concatenate(y.map { [x, $0] } ?? [x]) }
}
