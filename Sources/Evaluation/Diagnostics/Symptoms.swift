import Communication
import RunConfiguration
import Data
import Kernels
import Persistence
import Training

/// Everything that causes are judged by: numbers, measured before.
package struct Symptoms: Sendable {
  package var configuration: Configuration
  /// Values of a sample.
  package var elements: Int
  package var elbo: ValidationReport
  /// `AggregatePosterior.mismatch`.
  package var priorMismatch: Double
  package var use: LatentUse
  /// Of the data; nil where too few samples are too large to tell.
  package var spectrum: PrincipalSpectrum?
  /// Where the model's checkpoint has it.
  package var training: TrainingState?
  /// Updates.
  package var step: Int

  package init(
    configuration: Configuration, elements: Int, elbo: ValidationReport, priorMismatch: Double, use: LatentUse,
    spectrum: PrincipalSpectrum?, training: TrainingState?, step: Int
  ) {
    (self.configuration, self.elements, self.elbo) = (configuration, elements, elbo)
    (self.priorMismatch, self.use, self.spectrum) = (priorMismatch, use, spectrum)
    (self.training, self.step) = (training, step)
  }

  /// Weight of the KL in the last step.
  package var beta: Double { training?.beta ?? configuration.objective.betaEnd }

  /// The same against the sum of log p(x | z) over dimensions: 1 is the ELBO.
  package var weight: Double { facts.weight(beta: beta) }

  /// Whether the weight is one: capacity's last beta is the slope of a constraint.
  package var hasWeight: Bool { configuration.objective.betaSchedule != .capacity }

  /// Whether there were enough updates for means to have spread.
  package var isSettled: Bool { step >= Coordinator.settlingSteps }

  /// For the rules that look before training.
  package var facts: LintFacts { LintFacts(configuration, elements: elements, spectrum: spectrum) }

  /// Part of the steps in which beta was where its schedule ends; nil where there is no such end, or nobody knows.
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

  /// z says nothing, or the decoder does not listen: no unit is active (Burda et al., 2016), or the own z is no better
  /// for the decoder than another's in more than half of the samples, by two standard errors: a few outliers decide
  /// a mean, and not a count.
  package var isCollapsed: Bool {
    let doubt = 1 / Double(max(1, use.samples)).squareRoot()
    return elbo.activeUnits == 0 || elbo.means.kl < configuration.monitor.collapseKL || use.gapShare <= 0.5 + doubt
  }

  /// Nothing that z is changes what comes out of the decoder. One that has learned to do without z still moves a little
  /// with it, as its weights are not 0.
  package var isDeaf: Bool { use.dataVariance > 0 && use.sampleVariance < 1e-9 * use.dataVariance }

  /// How a collapse shows.
  package var collapse: String {
    "KL \(figures(elbo.means.kl)) nats, \(elbo.activeUnits) of \(elbo.variancePerUnit.count) units active, another "
      + "sample's z costs \(figures(use.gap)) nats, and reconstructions have "
      + "\(figures(100 * use.varianceRatio)) % of the data's variance"
  }
}

extension Symptoms {
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
