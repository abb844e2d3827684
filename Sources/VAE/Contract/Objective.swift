import Autograd
import Kernels
import Layers

/// Which sum over a sample's dimensions weighs against the KL.
package enum Reduction: String, CaseIterable, Sendable {
  /// log p(x | z), as the ELBO has it.
  case sum
  /// Divided by the number of dimensions: the KL then wins and the posterior collapses. Kept for experiments.
  case mean
}

/// loss_i = recon_i + beta * sum_j max(free bits, kl_ij) + perceptual * D * (1 - MS-SSIM(x_i, E[x_i | z]))
/// + totalCorrelation * tc_i + discrepancy * d_i, D the dimensions of x: the only place with beta and free bits.
///
/// Higgins et al., "beta-VAE", ICLR 2017; free bits: Kingma et al., "Inverse autoregressive flow", 2016.
package struct Objective: Sendable, Equatable {
  package var freeBits: Float = 0
  /// Whether training may raise free bits as it goes (`Terms.freeBits`).
  package var raisesFreeBits = false
  package var reduction = Reduction.sum
  /// Weight of the structural dissimilarity, which training minimises and no report counts.
  package var perceptual: Float = 0
  /// Weight of the total correlation of q(z), beside that which the KL has; beta-TCVAE's beta less 1.
  package var totalCorrelation: Float = 0
  /// Weight of MMD^2 between q(z) and the prior: InfoVAE's alpha + lambda - 1.
  package var discrepancy: Float = 0

  package init() {}

  /// Fails where a term means nothing with the prior. - name: of the prior.
  func requireSuits(_ prior: any Prior, called name: String) throws(Failure) {
    if (freeBits > 0 || raisesFreeBits) && !prior.hasExactDivergence {
      throw Failure(
        .badConfiguration,
        "free bits are a floor of a unit's KL, and of model.prior \(name) one draw's estimate of it is known",
        hint: "objective.free_bits: 0.0 (and monitor.on_collapse other than free-bits), or another model.prior")
    }
    if discrepancy > 0 && name != PriorRegistry.standard {
      throw Failure(
        .badConfiguration, "objective.mmd compares z with N(0, I), and model.prior is \(name)",
        hint: "objective.mmd: 0.0, or model.prior: standard")
    }
  }

  /// Records the objective of an inference; recon and KL stay separate per-sample tensors all the way.
  package func record(
    _ x: Tensor, _ inference: Inference, likelihood: any Likelihood, image: ImageShape, in scope: ParameterScope
  ) -> Terms {
    let graph = scope.graph
    let reconstruction = likelihood.negativeLogLikelihood(
      x, location: inference.location, channels: image.channels, in: scope)
    let klPerUnit = graph.concatenate(inference.divergences)
    let floor = freeBits > 0 || raisesFreeBits ? graph.constant(freeBits) : nil
    let limited = floor.map { graph.freeBits(klPerUnit, floor: $0) } ?? klPerUnit
    let kl = graph.rowSum(klPerUnit)
    let beta = graph.input([1])
    let scale: Float = reduction == .sum ? 1 : 1 / Float(x.columns)
    var weighted = [
      (graph.constant(scale), reconstruction), (beta, limited == klPerUnit ? kl : graph.rowSum(limited)),
    ]
    if perceptual > 0 {
      let mean = likelihood.mean(location: inference.location, channels: image.channels, in: graph)
      let weight = graph.constant(perceptual * scale * Float(x.columns))
      weighted.append((weight, graph.dissimilarity(x, mean, image: image)))
    }
    if totalCorrelation > 0 {
      let posterior = inference.posterior
      weighted.append(
        (
          graph.constant(totalCorrelation),
          graph.totalCorrelation(inference.z, mu: posterior.mu, logvar: posterior.logvar)
        ))
    }
    if discrepancy > 0 { weighted.append((graph.constant(discrepancy), graph.priorDiscrepancy(inference.z))) }
    let loss = graph.weightedSum(weighted)
    graph.keep([reconstruction, klPerUnit, kl, loss])
    return Terms(
      reconstruction: reconstruction, klPerUnit: klPerUnit, kl: kl, loss: loss, beta: beta, freeBits: floor)
  }
}

/// The per-sample tensors that training, validation and scores all read. Nats.
package struct Terms {
  /// -log p(x | z), summed over dimensions. (batch)
  package let reconstruction: Tensor
  /// (batch, units)
  package let klPerUnit: Tensor
  /// Sum of klPerUnit, without free bits. (batch)
  package let kl: Tensor
  /// What is minimised. (batch)
  package let loss: Tensor
  /// Weight of the KL: the caller sets it before a replay. (1)
  package let beta: Tensor
  /// Free bits where there are or may be some: the caller may set others before a replay. (1)
  package let freeBits: Tensor?
}
