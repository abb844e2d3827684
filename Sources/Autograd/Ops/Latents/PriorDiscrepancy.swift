import Kernels

/// Squared maximum mean discrepancy (MMD^2) between z and the prior p = N(0, I), for each sample:
///
///     d_i = (1/(M-1)) sum_k≠i k(z_i, z_k) - 2 E_p k(z_i, p) + E_pp' k(p, p'),  k(a, b) = exp(-|a - b|^2 / latent)
///
/// The mean of d_i is an unbiased estimate of MMD^2 for the M samples of the microbatch. z (batch, latent), d (batch)
///
/// Source: Zhao et al., "InfoVAE", AAAI 2019. Unlike the authors' code, the kernel has another width, and the
/// expectations under the prior are computed in closed form.
struct PriorDiscrepancy: Operation {
  static let name = "prior discrepancy"
  let z, pairs, prior, loss: Tensor
  var inputs: [Tensor] { [z] }
  var outputs: [Tensor] { [loss] }
  var kept: [Tensor] { [pairs, prior] }

  func forward(_ memory: Memory) {
    let rows = memory.replay.rows(of: loss)
    memory[loss].zero(loss.count)
    // The estimate needs at least two samples.
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
  /// Squared maximum mean discrepancy between z and N(0, I), estimated from the microbatch. It is 0 for rows without a
  /// sample. (batch, latent) -> (batch)
  package func priorDiscrepancy(_ z: Tensor) -> Tensor {
    let loss = output([z.rows], of: [z])
    record(PriorDiscrepancy(z: z, pairs: scratch([z.rows, z.rows]), prior: scratch([z.rows]), loss: loss))
    return loss
  }
}
