import Kernels

/// loss_i = sum_j (x - mean)^2 / (2 sigma^2) + log sigma + log(2 pi) / 2 in nats. All values share one sigma, which is
/// fixed or learned. x, mean (batch, n)
struct GaussianNegativeLogLikelihood: Operation {
  static let name = "Gaussian"
  let x, mean, logSigma, loss: Tensor
  var inputs: [Tensor] { [x, mean, logSigma] }
  var outputs: [Tensor] { [loss] }

  func forward(_ memory: Memory) {
    vd_gaussian(memory[loss], memory[mean], memory[x], memory[logSigma][0], x.rows, x.columns)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(loss) else { return }
    let slope = vd_gaussian_backward(
      memory.gradient(mean), g, memory[mean], memory[x], memory[logSigma][0], x.rows, x.columns)
    if let glogSigma = memory.gradient(logSigma) { glogSigma[0] += Float(slope) }
  }
}

extension GaussianNegativeLogLikelihood: PortableOperation {
  func translate(_ t: Translation) {
    let d = t[rows: x] - t[rows: mean], log = t[logSigma]
    t[loss] = (d * d).sumOfRow() * (log * -2).exp * 0.5 + (log + halfLog2Pi) * Float(x.columns)
  }
}

extension Graph {
  /// -log N(x | mean, sigma^2 I) for each sample, in nats. x, mean (batch, ...), logSigma (1) -> (batch)
  package func gaussian(_ x: Tensor, mean: Tensor, logSigma: Tensor) -> Tensor {
    precondition(
      x.count == mean.count && logSigma.count == 1, "Gaussian: data \(x.shape), mean \(mean.shape), \(logSigma.shape)")
    requireConstant(x, "Gaussian: data")
    let loss = output([x.rows], of: [mean, logSigma])
    record(GaussianNegativeLogLikelihood(x: x, mean: mean, logSigma: logSigma, loss: loss))
    return loss
  }
}
