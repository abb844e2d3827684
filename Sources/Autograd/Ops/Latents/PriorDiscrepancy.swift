import Kernels

/// d_i = (1/(M-1)) sum_k≠i k(z_i, z_k) - 2 E_p k(z_i, p) + E_pp' k(p, p'), p ~ N(0, I), k(a, b) = exp(-|a - b|^2 / latent):
/// its mean is the unbiased estimate of MMD^2 between the microbatch's z and the prior. z (batch, latent), d (batch)
///
/// Zhao et al., "InfoVAE", AAAI 2019, with a kernel of another width than their code's, and the prior's expectations in closed form.
struct PriorDiscrepancy: Operation {
  static let name = "prior discrepancy"
  let z, pairs, prior, loss: Tensor
  var inputs: [Tensor] { [z] }
  var outputs: [Tensor] { [loss] }
  var kept: [Tensor] { [pairs, prior] }

  func forward(_ memory: Memory) {
    let rows = memory.replay.rows(of: loss)
    memory[loss].zero(loss.count)
    // One sample says nothing of a distribution.
    guard rows > 1 else { return }
    vd_prior_discrepancy(memory[loss], memory[pairs], memory[prior], memory[z], rows, z.columns)
  }

  func backward(_ memory: Memory) {
    let rows = memory.replay.rows(of: loss)
    guard rows > 1, let gz = memory.gradient(z), let g = memory.gradient(loss) else { return }
    vd_prior_discrepancy_backward(gz, g, memory[pairs], memory[prior], memory[z], rows, z.columns)
  }
}

extension Graph {
  /// Maximum mean discrepancy (squared) between z and N(0, I), as the microbatch shows it: 0 for rows that are no samples.
  /// (batch, latent) -> (batch)
  package func priorDiscrepancy(_ z: Tensor) -> Tensor {
    let loss = output([z.rows], of: [z])
    record(PriorDiscrepancy(z: z, pairs: scratch([z.rows, z.rows]), prior: scratch([z.rows]), loss: loss))
    return loss
  }
}
