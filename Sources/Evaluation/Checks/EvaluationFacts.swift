import Communication
import RunConfiguration
import Data
import Kernels
import Persistence
import Settings
import Training

/// What is known of a trained model: all measurements by which it is checked.
package struct EvaluationFacts: Sendable {
  package var configuration: Configuration
  /// Number of values in a sample.
  package var elements: Int
  package var elbo: ValidationReport
  /// `AggregatePosterior.mismatch` in nats per unit.
  package var priorMismatch: Double
  package var use: LatentUse
  /// Principal spectrum of the data; nil if it cannot be determined because there are too few samples that are too
  /// large.
  package var spectrum: PrincipalSpectrum?
  /// State of the training, if the model's checkpoint contains it.
  package var training: TrainingState?
  /// Number of optimizer updates.
  package var step: Int

  package init(
    configuration: Configuration, elements: Int, elbo: ValidationReport, priorMismatch: Double, use: LatentUse,
    spectrum: PrincipalSpectrum?, training: TrainingState?, step: Int
  ) {
    (self.configuration, self.elements, self.elbo) = (configuration, elements, elbo)
    (self.priorMismatch, self.use, self.spectrum) = (priorMismatch, use, spectrum)
    (self.training, self.step) = (training, step)
  }

  /// Weight of the KL in the last training step.
  package var beta: Double { training?.beta ?? configuration.objective.betaEnd }

  /// Weight of the KL relative to the sum of log p(x | z) over dimensions. The ELBO has weight 1.
  package var weight: Double { configurationFacts.weight(beta: beta) }

  /// Whether beta is a weight. With the capacity schedule, it is the slope of a constraint.
  package var hasWeight: Bool { configuration.objective.betaSchedule != .capacity }

  /// Whether training took enough updates for the posterior means to spread.
  package var isSettled: Bool { step >= Coordinator.settlingSteps }

  /// The facts that are checked before training as well.
  package var configurationFacts: ConfigurationFacts {
    ConfigurationFacts(configuration, elements: elements, spectrum: spectrum)
  }

  /// Share of the training steps in which beta was at the end value of its schedule; nil if the schedule has no end
  /// value or the training state is not known.
  package var settledShare: Double? {
    let objective = configuration.objective
    guard [.linear, .sigmoid, .cyclical].contains(objective.betaSchedule), let training, training.step > 0,
      let schedule = try? BetaSchedule(
        objective,
        stepsPerEpoch: BatchPlan(
          count: max(1, training.trainSamples), batchSize: max(1, training.batchSize), microbatch: training.microbatch
        ).stepsPerEpoch, totalSteps: training.plannedSteps)
    else { return nil }
    let rise = abs(objective.betaEnd - objective.betaStart), points = min(training.step, 1_000)
    let settled = (0..<points).count { point in
      abs(schedule.value(at: point * training.step / points) - objective.betaEnd) <= 0.05 * rise
    }
    return Double(settled) / Double(points)
  }

  /// Whether the posterior has collapsed: no unit is active (Burda et al., 2016), the KL is below the configured limit,
  /// or decoding with a sample's own z is better than decoding with the z of another sample for at most half of the
  /// samples, within two standard errors. The last test uses a count because a few outliers can determine a mean.
  package var isCollapsed: Bool {
    let doubt = 1 / Double(max(1, use.samples)).squareRoot()
    return elbo.activeUnits == 0 || elbo.means.kl < configuration.monitor.collapseKL || use.gapShare <= 0.5 + doubt
  }

  /// Whether the decoder output does not depend on z at all. A decoder that has learned to ignore z still changes
  /// slightly with it, because its weights are not exactly 0.
  package var isDeaf: Bool { use.dataVariance > 0 && use.sampleVariance < 1e-9 * use.dataVariance }

  /// Describes the evidence of a collapse.
  package var collapse: String {
    "KL \(elbo.means.kl, .figures) nats, \(elbo.activeUnits) of \(elbo.variancePerUnit.count) units active, another "
      + "sample's z costs \(use.gap, .figures) nats, and reconstructions have "
      + "\(100 * use.varianceRatio, .figures) % of the data's variance"
  }
}

extension EvaluationFacts {
  package var json: JSON {
    .object([
      ("beta", .number(beta)), ("kl_weight", .number(weight)),
      ("settled_share", settledShare.map(JSON.number) ?? .null), ("samples", .integer(use.samples)),
      ("recon", .number(use.reconstruction)), ("recon_shuffled_z", .number(use.shuffledReconstruction)),
      ("gap", .number(use.gap)), ("gap_standard_error", .number(use.gapError)), ("gap_share", .number(use.gapShare)),
      ("reconstruction_variance", .number(use.reconstructionVariance)), ("data_variance", .number(use.dataVariance)),
      ("sample_variance", .number(use.sampleVariance)),
      ("score_distance_correlation", use.distanceCorrelation.map(JSON.number) ?? .null),
      ("logvar_at_low", .number(use.clampedLow)), ("logvar_at_high", .number(use.clampedHigh)),
      ("prior_mismatch", .number(priorMismatch)),
      ("components_99", spectrum?.components(holding: WideLatent.share).map(JSON.integer) ?? .null),
    ])
  }
}
