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

/// loss_i = bound_i + perceptual * D * (1 - MS-SSIM(x_i, E[x_i | z]))
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

  /// Fails where a term means nothing for these latents. - prior: the name of the prior.
  func requireSuits(_ trace: Trace, _ layout: LatentLayout, prior: String) throws(Failure) {
    if freeBits > 0 || raisesFreeBits {
      guard trace.hasExactRates else {
        throw Failure(
          .badConfiguration,
          "free bits are a floor of a unit's KL, and of model.prior \(prior) one draw's estimate of it is known",
          hint: "objective.free_bits: 0.0 (and monitor.on_collapse other than free-bits), or another model.prior")
      }
      try layout.requireRatePerUnit(for: "objective.free_bits")
    }
    if discrepancy > 0 && !trace.hasStandardPrior {
      throw Failure(
        .badConfiguration, "objective.mmd compares z with N(0, I), and model.prior is \(prior)",
        hint: "objective.mmd: 0.0, or model.prior: standard")
    }
    if totalCorrelation > 0 { try layout.requireGaussian(for: "objective.total_correlation") }
  }

  /// Records what is minimised; reconstruction and KL stay separate per-sample tensors all the way.
  package func record(
    _ x: Tensor, location: Tensor, _ trace: Trace, likelihood: any Likelihood, image: ImageShape
  ) -> Terms {
    let graph = trace.graph
    // Recorded before the likelihood, whose parameters stand behind those of the prior.
    _ = trace.rates
    let reconstruction = likelihood.negativeLogLikelihood(
      x, location: location, channels: image.channels, in: trace.scope)
    let bound = EvidenceLowerBound(
      floor: freeBits > 0 || raisesFreeBits ? freeBits : nil, scale: reduction == .sum ? 1 : 1 / Float(x.columns)
    ).record(reconstruction, trace)
    var weighted = bound.weighted
    if perceptual > 0 {
      let mean = likelihood.mean(location: location, channels: image.channels, in: graph)
      let scale: Float = reduction == .sum ? 1 : 1 / Float(x.columns)
      let weight = graph.constant(perceptual * scale * Float(x.columns))
      weighted.append((weight, graph.dissimilarity(x, mean, image: image)))
    }
    if totalCorrelation > 0, let logvar = trace.logvar {
      weighted.append(
        (graph.constant(totalCorrelation), graph.totalCorrelation(trace.z, mu: trace.code, logvar: logvar)))
    }
    if discrepancy > 0 { weighted.append((graph.constant(discrepancy), graph.priorDiscrepancy(trace.z))) }
    for penalty in trace.penalties { weighted.append((graph.constant(penalty.weight), penalty.perRow)) }
    let loss = graph.weightedSum(weighted)
    return Terms(
      reconstruction: reconstruction, klPerUnit: bound.klPerUnit, kl: bound.kl, loss: loss, beta: bound.beta,
      freeBits: bound.freeBits)
  }
}

/// The per-sample tensors that training, validation and scores all read. Nats.
package struct Terms {
  /// -log p(x | z), summed over dimensions. (batch)
  package let reconstruction: Tensor
  /// (batch, units), or (batch, columns of the rate) where a group has one number for all its units
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
