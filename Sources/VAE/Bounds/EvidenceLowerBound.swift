import Autograd

/// The negative ELBO with optional weights: scale * recon_i + beta * sum_j max(floor, kl_ij). If beta and scale are 1
/// and there is no floor, it is the negative ELBO itself.
///
/// Sources: Higgins et al., "beta-VAE", ICLR 2017; free bits: Kingma et al., "Improved variational inference with
/// inverse autoregressive flow", NeurIPS 2016.
struct EvidenceLowerBound: Bound {
  /// Free bits: nats of KL per unit that are not penalised. nil if the bound never has free bits.
  let floor: Float?
  /// Factor of the reconstruction term.
  let scale: Float

  func record(_ reconstruction: Tensor, _ trace: Trace) -> RecordedBound {
    let graph = trace.graph, klPerUnit = trace.rate
    let freeBits = floor.map { graph.constant($0) }
    let limited = freeBits.map { graph.freeBits(klPerUnit, floor: $0) } ?? klPerUnit
    let kl = graph.rowSum(klPerUnit)
    let beta = graph.input([1])
    return RecordedBound(
      weighted: [
        (graph.constant(scale), reconstruction), (beta, limited == klPerUnit ? kl : graph.rowSum(limited)),
      ], klPerUnit: klPerUnit, kl: kl, beta: beta, freeBits: freeBits)
  }
}
