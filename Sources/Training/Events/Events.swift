import RunConfiguration
import Data
import Foundation
import Kernels
import VAE

/// Means over samples, in nats per sample, summed over dimensions. `negativeELBO` is recon + kl (beta 1) whatever beta
/// is trained with.
package struct ELBOMeans: Sendable, Equatable, Codable {
  package var reconstruction: Double
  package var kl: Double
  package var negativeELBO: Double { reconstruction + kl }

  package init(reconstruction: Double, kl: Double) {
    self.reconstruction = reconstruction
    self.kl = kl
  }
}

/// One optimiser update, as every rank knows it.
package struct StepReport: Sendable {
  /// Updates done, this one included.
  package var step: Int
  package var epoch: Int
  package var beta: Double
  package var learningRate: Double
  package var train: ELBOMeans
  /// What was differentiated: under capacity, beta is the slope of gamma |KL - C|, and this is not what is minimised.
  package var loss: Double
  package var gradientNorm: Double
  package var samples: Int
}

/// What validation found, with the terms of the objective that was trained.
package struct ValidationReport: Sendable {
  package var means: ELBOMeans
  /// Reconstruction from the posterior mean instead of a sample.
  package var reconstructionOfMean: Double
  /// What training minimises.
  package var loss: Double
  package var klPerUnit: [Double]
  /// KL of each group of latents, the sum of its units', in the order of the model.
  package var klPerGroup: [(name: String, kl: Double)] = []
  /// Var_x[mu] of each unit.
  package var variancePerUnit: [Double]
  package var activeUnits: Int
  /// Of the posterior, over all units and samples.
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
  /// The rank that was busy longest, and its machine; the part of all ranks' time that was spent waiting for others.
  package var slowestRank: Int
  package var slowestHost: String
  package var waitShare: Double
  package var rankSeconds = RankSeconds()
  /// For images, where the likelihood is one.
  package var bits: BitsPerDimension?
}

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

/// What the run is, once it is known and before the first step.
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
  /// Epochs finished before.
  package var resumedEpoch = 0
}

/// Pictures in [0, 1], row-major NHWC.
package struct PictureReport: Sendable {
  package var epoch: Int
  package var step: Int
  package var shape: SampleShape
  /// (n, elements): E[x | z] of fixed z from the prior; of a model that is told classes, a row of some for each.
  package var samples: [Float]
  package var sampleColumns = 8
  package var sampleNames: [String] = []
  /// (n, elements): validation samples and their reconstructions.
  package var originals: [Float]
  package var reconstructions: [Float]
  package var space: LatentSpaceReport?
}

/// The latent space of a moment, decoded.
package struct LatentSpaceReport: Sendable {
  /// (pairs, LatentPaths.steps, elements): from one validation sample's mu to another's, in a straight line.
  package var interpolations: [Float]
  /// Units with the largest KL first, as many as are shown, and the KL of each, nats.
  package var units: [Int]
  package var klPerUnit: [Double]
  /// (units, LatentPaths.traversalSteps, elements): each unit from -3 to 3, the others at 0, in the noise of the prior.
  package var traversals: [Float]
  /// (LatentPaths.manifoldSide^2, elements), rows from the top, of two units; else empty.
  package var manifold: [Float]
  package var codes: LatentCodes
}

/// Where the encoder puts samples.
package struct LatentCodes: Sendable {
  package var latent: Int
  /// Posterior means. (count, latent)
  package var mu: [Float]
  /// One for each, where all are known, and what the labels 0, 1, ... are called.
  package var labels: [Int]?
  package var labelNames: [String]?
  /// What the decoder is told of each. (count, condition)
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

/// Something that was found out about a run; epoch 0 is before the first.
package struct FindingReport: Sendable {
  package var epoch: Int
  package var step: Int
  package var finding: Finding
}

/// What was done about a collapse.
package struct TreatmentReport: Sendable {
  package var epoch: Int
  package var step: Int
  package var response: CollapseResponse
  /// Of so many at most.
  package var number: Int
  package var most: Int
  package var message: String
}

package enum StopReason: Int, Sendable {
  case finished = 0, signalled, maxTime, collapsed
  /// No epoch was better for as long as `monitor.patience` says: a run that has finished, too.
  case stoppedEarly

  package var isFinish: Bool { self == .finished || self == .stoppedEarly }
}

/// What happens in a run, as rank 0 tells it.
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

package protocol TrainingObserver: AnyObject {
  func observe(_ event: TrainingEvent) throws(Failure)
}
