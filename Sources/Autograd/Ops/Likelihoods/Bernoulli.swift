import Kernels

/// loss_i = -sum_j log p(x_ij | l_ij) = sum_j max(l, 0) - l x + log(1 + exp(-|l|)) in nats, where l are the logits. x,
/// logits (batch, n)
///
/// For grey values in [0, 1] the loss is the usual binary cross-entropy, which is not a normalised likelihood.
struct BernoulliWithLogits: Operation {
  static let name = "Bernoulli with logits"
  let x, logits, residual, loss: Tensor
  var inputs: [Tensor] { [x, logits] }
  var outputs: [Tensor] { [loss] }
  var kept: [Tensor] { [residual] }

  func forward(_ memory: Memory) {
    vd_bernoulli(memory[loss], memory[residual], memory[logits], memory[x], x.rows, x.columns)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(loss), let glogits = memory.gradient(logits) else { return }
    vd_scale_rows_add(glogits, g, memory[residual], x.rows, x.columns)
  }
}

extension BernoulliWithLogits: PortableOperation {
  func translate(_ t: Translation) {
    let l = t[rows: logits]
    t[loss] = (l.positive - l * t[rows: x] + (-l.abs).softplus).sumOfRow()
  }
}

extension Graph {
  /// -log p(x | logits) for each sample, in nats. x and logits (batch, ...) -> (batch)
  package func bernoulli(_ x: Tensor, logits: Tensor) -> Tensor {
    precondition(x.count == logits.count, "Bernoulli: data \(x.shape), logits \(logits.shape)")
    requireConstant(x, "Bernoulli: data")
    let loss = output([x.rows], of: [logits])
    record(BernoulliWithLogits(x: x, logits: logits, residual: scratch(x.shape), loss: loss))
    return loss
  }
}
