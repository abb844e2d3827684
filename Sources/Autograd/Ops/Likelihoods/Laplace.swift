import Kernels

/// loss_i = sum_j |x - mean| / b + log(2 b) in nats. All values share one scale b = exp(logScale), which is fixed or
/// learned. x, mean (batch, n)
struct LaplaceNegativeLogLikelihood: Operation {
  static let name = "Laplace"
  let x, mean, logScale, loss: Tensor
  var inputs: [Tensor] { [x, mean, logScale] }
  var outputs: [Tensor] { [loss] }

  func forward(_ memory: Memory) {
    vd_laplace(memory[loss], memory[mean], memory[x], memory[logScale][0], x.rows, x.columns)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(loss) else { return }
    let slope = vd_laplace_backward(
      memory.gradient(mean), g, memory[mean], memory[x], memory[logScale][0], x.rows, x.columns)
    if let glogScale = memory.gradient(logScale) { glogScale[0] += Float(slope) }
  }
}

extension LaplaceNegativeLogLikelihood: PortableOperation {
  func translate(_ t: Translation) {
    let log = t[logScale]
    t[loss] =
      (t[rows: x] - t[rows: mean]).abs.sumOfRow() * (-log).exp + (log + 0.693147181) * Float(x.columns)
  }
}

extension Graph {
  /// -log p(x | mean, b) for each sample, in nats. x, mean (batch, ...), logScale (1) -> (batch)
  package func laplace(_ x: Tensor, mean: Tensor, logScale: Tensor) -> Tensor {
    precondition(
      x.count == mean.count && logScale.count == 1, "Laplace: data \(x.shape), mean \(mean.shape), \(logScale.shape)")
    requireConstant(x, "Laplace: data")
    let loss = output([x.rows], of: [mean, logScale])
    record(LaplaceNegativeLogLikelihood(x: x, mean: mean, logScale: logScale, loss: loss))
    return loss
  }
}
