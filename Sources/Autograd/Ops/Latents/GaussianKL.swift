import Kernels

/// KL divergence to the standard normal for each unit, in nats: kl = KL(N(mu, exp(logvar)) || N(0, 1)) = (exp(logvar) +
/// mu^2 - 1 - logvar) / 2. All tensors (batch, latent)
struct GaussianKL: Operation {
  static let name = "Gaussian KL"
  let mu, logvar, kl: Tensor
  var inputs: [Tensor] { [mu, logvar] }
  var outputs: [Tensor] { [kl] }

  func forward(_ memory: Memory) { vd_gaussian_kl(memory[kl], memory[mu], memory[logvar], kl.count) }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(kl) else { return }
    if let gmu = memory.gradient(mu) { vd_multiply_add(gmu, g, memory[mu], kl.count) }
    if let glogvar = memory.gradient(logvar) { vd_gaussian_kl_backward(glogvar, g, memory[logvar], kl.count) }
  }
}

extension GaussianKL: PortableOperation {
  func translate(_ t: Translation) {
    let m = t[mu], l = t[logvar]
    t[kl] = 0.5 * (m * m + l.exp - 1 - l)
  }
}

extension Graph {
  /// KL(N(mu, exp(logvar)) || N(0, 1)) for each sample and unit, in nats. (batch, latent)
  package func gaussianKL(mu: Tensor, logvar: Tensor) -> Tensor {
    precondition(mu.shape == logvar.shape, "Gaussian KL: mu \(mu.shape), logvar \(logvar.shape)")
    let kl = output(mu.shape, of: [mu, logvar])
    record(GaussianKL(mu: mu, logvar: logvar, kl: kl))
    return kl
  }
}
