import Autograd
import Kernels
import Layers

/// How the reconstruction term is reduced over the dimensions of a sample.
package enum Reduction: String, CaseIterable, Sendable {
  /// The sum, as in the ELBO.
  case sum
  /// The mean. The KL then dominates the loss and the posterior collapses. This option is for experiments.
  case mean
}

/// The training objective. The loss of sample i is
///
///     loss_i = bound_i + perceptual * D * (1 - MS-SSIM(x_i, E[x_i | z])) + totalCorrelation * tc_i + discrepancy * d_i
///
/// plus the weighted penalties of the model. D is the number of dimensions of x. With the reduction `mean`, the factor
/// D is absent. Only this type contains beta and free bits.
///
/// Sources: Higgins et al., "beta-VAE", ICLR 2017; free bits: Kingma et al., "Improved variational inference with
/// inverse autoregressive flow", NeurIPS 2016.
package struct Objective: Sendable, Equatable {
  package var freeBits: Float = 0
  /// Whether training may raise free bits during a run (see `RecordedBound.freeBits`).
  package var raisesFreeBits = false
  package var reduction = Reduction.sum
  /// Weight of the structural dissimilarity 1 - MS-SSIM. Training minimises this term; reports do not include it.
  package var perceptual: Float = 0
  /// Weight of the total correlation of q(z), in addition to its weight within the KL. It equals beta - 1 in
  /// beta-TCVAE.
  package var totalCorrelation: Float = 0
  /// Weight of MMD^2 between q(z) and the prior. It equals alpha + lambda - 1 in InfoVAE.
  package var discrepancy: Float = 0

  package init() {}

  /// Throws if a term of the objective is not defined for these latents.
  ///
  /// - prior: the name of the prior, for the message.
  func requireSuits(_ trace: Trace, _ layout: LatentLayout, prior: String) throws(Failure) {
    if freeBits > 0 || raisesFreeBits {
      guard trace.hasExactRates else {
        throw Failure(
          .badConfiguration,
          "free bits are a floor for the KL of a unit, and model.prior \(prior) gives only an estimate of that KL from one draw",
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

  /// Records the loss. Reconstruction and KL stay separate tensors with one value per sample.
  package func record(
    _ x: Tensor, location: Tensor, _ trace: Trace, likelihood: any Likelihood, image: ImageShape
  ) -> Terms {
    let graph = trace.graph
    // The KL is recorded before the likelihood so that the prior's parameters precede those of the likelihood in the
    // store.
    _ = trace.rates
    let reconstruction = likelihood.negativeLogLikelihood(
      x, location: location, channels: image.channels, in: trace.scope)
    let scale: Float = reduction == .sum ? 1 : 1 / Float(x.columns)
    let bound = EvidenceLowerBound(
      floor: freeBits > 0 || raisesFreeBits ? freeBits : nil, scale: scale
    ).record(reconstruction, trace)
    var weighted = bound.weighted
    if perceptual > 0 {
      let mean = likelihood.mean(location: location, channels: image.channels, in: graph)
      let weight = graph.constant(perceptual * scale * Float(x.columns))
      weighted.append((weight, graph.dissimilarity(x, mean, image: image)))
    }
    if totalCorrelation > 0, let logvar = trace.logvar {
      weighted.append(
        (graph.constant(totalCorrelation), graph.totalCorrelation(trace.z, mu: trace.code, logvar: logvar)))
    }
    if discrepancy > 0 { weighted.append((graph.constant(discrepancy), graph.priorDiscrepancy(trace.z))) }
    for penalty in trace.penalties { weighted.append((graph.constant(penalty.weight), penalty.perRow)) }
    return Terms(reconstruction: reconstruction, bound: bound, loss: graph.weightedSum(weighted))
  }
}

/// The recorded terms of the objective, one value per sample, in nats. Training, validation and scoring read them.
package struct Terms {
  /// -log p(x | z), summed over dimensions. (batch)
  package let reconstruction: Tensor
  /// The KL, and its weight in the loss.
  package let bound: RecordedBound
  /// The loss that training minimises. (batch)
  package let loss: Tensor
}
