import RunConfiguration
import Data
import Foundation
import Kernels
import VAE

/// Means over samples in nats per sample, summed over dimensions. `negativeELBO` is the sum of reconstruction term and
/// KL with beta 1, independent of the beta that training uses.
package struct ELBOMeans: Sendable, Equatable, Codable {
  package var reconstruction: Double
  package var kl: Double
  package var negativeELBO: Double { reconstruction + kl }

  package init(reconstruction: Double, kl: Double) {
    self.reconstruction = reconstruction
    self.kl = kl
  }
}

/// The result of one optimiser update, which is the same on every rank.
package struct StepReport: Sendable {
  /// Number of updates done, including this one.
  package var step: Int
  package var epoch: Int
  package var beta: Double
  package var learningRate: Double
  package var train: ELBOMeans
  /// The loss that was differentiated, in nats per sample. With the capacity schedule, beta is the slope of gamma |KL -
  /// C|, and this is not the loss that is minimised.
  package var loss: Double
  package var gradientNorm: Double
  package var samples: Int
}

/// Results of a validation, with the terms of the training objective.
package struct ValidationReport: Sendable {
  package var means: ELBOMeans
  /// Reconstruction term with z at the posterior mean instead of a sample.
  package var reconstructionOfMean: Double
  /// The loss that training minimises.
  package var loss: Double
  package var klPerUnit: [Double]
  /// KL of each group of latents, summed over the units of the group, in the order of the model.
  package var klPerGroup: [(name: String, kl: Double)] = []
  /// Var_x[mu] of each unit.
  package var variancePerUnit: [Double]
  package var activeUnits: Int
  /// Histograms of the posterior's mu and sigma over all units and samples.
  package var mu: Histogram
  package var sigma: Histogram

  package init(
    means: ELBOMeans, reconstructionOfMean: Double, loss: Double, klPerUnit: [Double], variancePerUnit: [Double],
    activeUnits: Int,
    mu: Histogram = Histogram(edges: [], counts: []), sigma: Histogram = Histogram(edges: [], counts: [])
  ) {
    self.means = means
    self.reconstructionOfMean = reconstructionOfMean
    self.loss = loss
    self.klPerUnit = klPerUnit
    self.variancePerUnit = variancePerUnit
    self.activeUnits = activeUnits
    self.mu = mu
    self.sigma = sigma
  }
}

/// The numbers of a finished epoch.
package struct EpochReport: Sendable {
  package var epoch: Int
  package var step: Int
  package var beta: Double
  package var learningRate: Double
  package var train: ELBOMeans
  package var valid: ValidationReport
  package var gradientNorm: Double
  package var samplesPerSecond: Double
  package var seconds: Double
  package var ranks: Int
  package var skipped: Int
  package var rollbacks: Int
  package var isBest: Bool
  /// The rank that was busy longest, its host, and the share of all ranks' time that was spent waiting for others.
  package var slowestRank: Int
  package var slowestHost: String
  package var waitShare: Double
  package var rankSeconds = RankSeconds()
  /// Conversion to bits per dimension, for images and likelihoods that support it.
  package var bits: BitsPerDimension?
}

/// The return to a checkpoint after a non-finite value.
package struct RollbackReport: Sendable {
  package var failingStep: Int
  package var restoredStep: Int
  package var attempt: Int
  package var learningRateFactor: Double
  package var rank: Int
  package var microbatch: Int
  package var operation: String
  package var samples: [Int]
}

/// Description of the run before its first step.
package struct StartReport: Sendable {
  package var configuration: Configuration
  package var dataName: String
  package var shape: SampleShape
  package var trainSamples: Int
  package var validSamples: Int
  package var parameters: Int
  package var ranks: Int
  package var plan: BatchPlan
  package var totalSteps: Int
  package var exchange: String
  package var resumedFrom: Int?
  /// Number of epochs that were finished before.
  package var resumedEpoch = 0
}

/// Images for display, with values in [0, 1], row-major NHWC.
package struct PictureReport: Sendable {
  package var epoch: Int
  package var step: Int
  package var shape: SampleShape
  /// E[x | z] for fixed z from the prior. (n, elements) A class-conditional model has one row of samples for each
  /// class.
  package var samples: [Float]
  package var sampleColumns = 8
  package var sampleNames: [String] = []
  /// Validation samples and their reconstructions. (n, elements)
  package var originals: [Float]
  package var reconstructions: [Float]
  package var space: LatentSpaceReport?
}

/// Decoded images of the latent space after an epoch.
package struct LatentSpaceReport: Sendable {
  /// Linear interpolations between the posterior means of two validation samples. (pairs, LatentPaths.steps, elements)
  package var interpolations: [Float]
  /// The units shown, in descending order of their KL, and the KL of each in nats.
  package var units: [Int]
  package var klPerUnit: [Double]
  /// Traversals of each unit from -3 to 3 in the noise of the prior, with the other units at 0. (units,
  /// LatentPaths.traversalSteps, elements)
  package var traversals: [Float]
  /// Grid over a latent space of two units, rows from the top; empty for other models. (LatentPaths.manifoldSide^2,
  /// elements)
  package var manifold: [Float]
  package var codes: LatentCodes
}

/// Posterior means of samples, with their labels and conditions.
package struct LatentCodes: Sendable {
  package var latent: Int
  /// Posterior means. (count, latent)
  package var mu: [Float]
  /// Label of each sample, if all are known, and the names of the labels 0, 1, ...
  package var labels: [Int]?
  package var labelNames: [String]?
  /// Conditions that the decoder receives. (count, condition)
  package var conditions: [Float]
  package var count: Int { mu.count / max(1, latent) }

  package init(
    latent: Int, mu: [Float], labels: [Int]? = nil, labelNames: [String]? = nil, conditions: [Float] = []
  ) {
    self.latent = latent
    self.mu = mu
    self.conditions = conditions
    self.labels = labels
    self.labelNames = labelNames
  }

  package subscript(index: Int) -> ArraySlice<Float> { mu[index * latent..<(index + 1) * latent] }

  func condition(of index: Int) -> ArraySlice<Float> {
    let width = conditions.count / max(1, count)
    return conditions[index * width..<(index + 1) * width]
  }
}

/// A finding about a run. Epoch 0 means before the first epoch.
package struct FindingReport: Sendable {
  package var epoch: Int
  package var step: Int
  package var finding: Finding
}

/// A treatment of a posterior collapse.
package struct TreatmentReport: Sendable {
  package var epoch: Int
  package var step: Int
  package var response: CollapseResponse
  /// Number of this treatment, counted from 1, and the highest number allowed.
  package var number: Int
  package var most: Int
  package var message: String
}

/// The reason why a run stopped.
package enum StopReason: Int, Sendable {
  case finished = 0, signalled, maxTime, collapsed
  /// `monitor.patience` epochs have passed without an improvement. Such a run counts as finished.
  case stoppedEarly

  package var isFinish: Bool { self == .finished || self == .stoppedEarly }
}

/// An event in a run, reported by rank 0.
package enum TrainingEvent: Sendable {
  case started(StartReport)
  case step(StepReport)
  case epoch(EpochReport)
  case pictures(PictureReport)
  case embedding(EmbeddingReport)
  case checkpoint(step: Int, epoch: Int, seconds: Double)
  case rollback(RollbackReport)
  case collapse(epoch: Int, step: Int, message: String)
  case finding(FindingReport)
  case treatment(TreatmentReport)
  case warning(String)
  case stopped(StopReason, step: Int, epoch: Int)
}

/// Receives the events of a run on rank 0.
package protocol TrainingObserver: AnyObject {
  func observe(_ event: TrainingEvent) throws(Failure)
}
