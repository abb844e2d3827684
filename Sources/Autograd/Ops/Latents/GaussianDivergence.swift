import Kernels

/// KL divergence of two Gaussians for each unit, in nats: kl = KL(N(mu, exp(logvar)) || N(m, exp(lv))) =
/// (exp(logvar - lv) - 1 - (logvar - lv) + (mu - m)^2 exp(-lv)) / 2. All tensors (batch, latent)
struct GaussianDivergence: Operation {
  static let name = "Gaussian divergence"
  let mu, logvar, m, lv, kl: Tensor
  var inputs: [Tensor] { [mu, logvar, m, lv] }
  var outputs: [Tensor] { [kl] }

  func forward(_ memory: Memory) {
    vd_gaussian_divergence(memory[kl], memory[mu], memory[logvar], memory[m], memory[lv], kl.count)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(kl) else { return }
    vd_gaussian_divergence_backward(
      memory.gradient(mu), memory.gradient(logvar), memory.gradient(m), memory.gradient(lv), g, memory[mu],
      memory[logvar], memory[m], memory[lv], kl.count)
  }
}

extension GaussianDivergence: PortableOperation {
  func translate(_ t: Translation) {
    let d = t[mu] - t[m], l = t[lv], ratio = t[logvar] - l
    t[kl] = 0.5 * (ratio.exp - 1 - ratio + d * d * (-l).exp)
  }
}

extension Graph {
  /// KL(N(mu, exp(logvar)) || N(m, exp(lv))) for each sample and unit, in nats. (batch, latent)
  package func gaussianDivergence(mu: Tensor, logvar: Tensor, from m: Tensor, _ lv: Tensor) -> Tensor {
    precondition(
      [logvar, m, lv].allSatisfy { $0.shape == mu.shape },
      "Gaussian divergence: mu \(mu.shape), logvar \(logvar.shape), from \(m.shape) and \(lv.shape)")
    let kl = output(mu.shape, of: [mu, logvar, m, lv])
    record(GaussianDivergence(mu: mu, logvar: logvar, m: m, lv: lv, kl: kl))
    return kl
  }
}
