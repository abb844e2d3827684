import Kernels

/// eps ~ N(0, I). The noise is keyed by sample, so it does not depend on the position in the batch. (batch, n)
struct StandardNormal: NoiseOperation {
  static let name = "standard normal"
  let eps: Tensor
  let streamHash: UInt64
  var inputs: [Tensor] { [] }
  var outputs: [Tensor] { [eps] }

  func forward(_ memory: Memory) {
    let replay = memory.replay
    guard replay.noiseScale != 0 else { return memory[eps].zero(eps.count) }
    KeyedGenerator(seed: replay.seed, streamHash: streamHash, attempt: replay.attempt)
      .normal(into: memory[eps], samples: replay.keys, rows: eps.rows, columns: eps.columns, epoch: replay.epoch)
  }

  func backward(_ memory: Memory) {}
}

/// z = mu + exp(logvar / 2) * eps (Kingma and Welling, 2014). All tensors (batch, latent)
struct Reparameterize: Operation {
  static let name = "reparameterize"
  let mu, logvar, eps, deviation, z: Tensor
  var inputs: [Tensor] { [mu, logvar, eps] }
  var outputs: [Tensor] { [z] }
  var kept: [Tensor] { [deviation] }

  func forward(_ memory: Memory) {
    vd_reparameterize(
      memory[z], memory[deviation], memory[mu], memory[logvar], memory[eps], memory.replay.noiseScale, z.count)
  }

  func backward(_ memory: Memory) {
    guard let gz = memory.gradient(z) else { return }
    if let gmu = memory.gradient(mu) { vd_add(gmu, gz, z.count) }
    if let glogvar = memory.gradient(logvar) { vd_reparameterize_backward(glogvar, gz, memory[deviation], z.count) }
  }
}

extension Reparameterize: PortableOperation {
  func translated(by t: Translation) -> [Tensor] { t.has(eps) ? inputs : [mu] }
  func translate(_ t: Translation) {
    t[z] = t.has(eps) ? t[mu] + (0.5 * t[logvar]).exp * t[eps] : t[mu]
  }
}

extension Graph {
  /// Draws standard normal noise from a stream. Returns (batch, columns).
  package func standardNormal(columns: Int, stream: String) -> Tensor {
    let eps = scratch([batch, columns])
    record(StandardNormal(eps: eps, streamHash: KeyedGenerator.hash(stream)))
    return eps
  }

  /// z = mu + exp(logvar / 2) * eps. (batch, latent)
  package func reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor {
    precondition(
      mu.shape == logvar.shape && mu.shape == eps.shape,
      "reparameterize: mu \(mu.shape), logvar \(logvar.shape), eps \(eps.shape)")
    requireConstant(eps, "reparameterize: the noise")
    let z = output(mu.shape, of: [mu, logvar])
    record(Reparameterize(mu: mu, logvar: logvar, eps: eps, deviation: scratch(mu.shape), z: z))
    return z
  }
}
