import Kernels

/// y = sum_k c_k x_k. The coefficients are tensors, because beta changes at every step. They are not differentiated.
struct WeightedSum: Operation {
  static let name = "weighted sum"
  let terms: [(coefficient: Tensor, x: Tensor)]
  let y: Tensor
  var inputs: [Tensor] { terms.flatMap { [$0.coefficient, $0.x] } }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) {
    memory[y].zero(y.count)
    for term in terms { vd_axpy(memory[y], memory[term.coefficient][0], memory[term.x], y.count) }
  }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y) else { return }
    for term in terms {
      if let gx = memory.gradient(term.x) { vd_axpy(gx, memory[term.coefficient][0], gy, y.count) }
    }
  }
}

extension WeightedSum: PortableOperation {
  func translate(_ t: Translation) {
    let weighted = terms.map { t[$0.coefficient] * t[$0.x] }
    t[y] = weighted.dropFirst().reduce(weighted[0], +)
  }
}

extension Graph {
  /// Returns sum_k c_k x_k. All x have the same shape, and each c has shape (1).
  package func weightedSum(_ terms: [(coefficient: Tensor, x: Tensor)]) -> Tensor {
    precondition(
      !terms.isEmpty && terms.allSatisfy { $0.x.shape == terms[0].x.shape && $0.coefficient.count == 1 },
      "weighted sum of \(terms.map(\.x.shape))")
    for term in terms { requireConstant(term.coefficient, "weighted sum: the coefficient") }
    let y = output(terms[0].x.shape, of: terms.map(\.x))
    record(WeightedSum(terms: terms, y: y))
    return y
  }
}
