import Kernels

/// Total correlation: tc_i = log q(z_i) - sum_j log q(z_ij). The aggregate posterior is estimated from the M samples of
/// the microbatch: q(z) = (1/M) sum_k q(z | x_k). z, mu, logvar (batch, latent), tc (batch)
///
/// Source: minibatch-weighted sampling in Chen et al., "Isolating sources of disentanglement in VAEs", NeurIPS 2018,
/// without the constant (latent - 1) log N, which has no gradient.
struct TotalCorrelation: Operation {
  static let name = "total correlation"
  let z, mu, logvar, weights, marginals, work, tc: Tensor
  var inputs: [Tensor] { [z, mu, logvar] }
  var outputs: [Tensor] { [tc] }
  var kept: [Tensor] { [weights, marginals] }
  var workspace: [Tensor] { [work] }

  func forward(_ memory: Memory) {
    let rows = memory.replay.rows(of: tc)
    memory[tc].zero(tc.count)
    vd_total_correlation(
      memory[tc], memory[weights], memory[marginals], memory[work], memory[z], memory[mu], memory[logvar], rows,
      z.columns)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(tc) else { return }
    vd_total_correlation_backward(
      memory.gradient(z), memory.gradient(mu), memory.gradient(logvar), g, memory[weights], memory[marginals],
      memory[work], memory[z], memory[mu], memory[logvar], memory.replay.rows(of: tc), z.columns)
  }
}

extension Graph {
  /// Total correlation of q(z), estimated from the microbatch. It is 0 for rows without a sample. (batch, latent) ->
  /// (batch)
  package func totalCorrelation(_ z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor {
    precondition(
      z.shape == mu.shape && z.shape == logvar.shape,
      "total correlation: z \(z.shape), mu \(mu.shape), logvar \(logvar.shape)")
    let tc = output([z.rows], of: [z, mu, logvar])
    record(
      TotalCorrelation(
        z: z, mu: mu, logvar: logvar, weights: scratch([z.rows, z.rows]), marginals: scratch(z.shape),
        work: scratch([z.rows + 2, z.columns]), tc: tc))
    return tc
  }
}
