import Communication
import RunConfiguration
import Data
import Kernels
import VAE

/// The evaluation at the end of an epoch: busy times of the ranks, validation, images, and the embedding of validation
/// samples.
final class EpochReview {
  private let configuration: Configuration
  private let communicator: Communicator
  private let clock: PhaseClock
  private let seed: UInt64
  private let data: Dataset
  private let validator: Validator
  private let rankTimes: RankTimes
  private let bits: BitsPerDimension?
  private let hasPictures: Bool
  /// Set on rank 0 only.
  private let pictures: PictureMaker?
  private var embedded = ContinuousClock.now
  /// Time between two embeddings. An embedding shows the state at one moment, so it is also written at the end.
  private static let embeddingInterval = Swift.Duration.seconds(300)

  /// Creates the validator and the image maker. Collective.
  init(_ setup: TrainingSetup) throws(Failure) {
    configuration = setup.configuration
    communicator = setup.communicator
    clock = setup.clock
    seed = UInt64(configuration.train.seed)
    data = setup.data.valid
    let train = setup.data.train, autoencoder = setup.autoencoder, parameters = setup.optimizer.average
    hasPictures = train.shape.canBeDrawn && configuration.monitor.picturesEvery > 0
    validator = Validator(
      autoencoder, data: data, communicator: communicator, configuration: configuration, clock: clock,
      shows: hasPictures || configuration.log.tensorboard, parameters: parameters)
    if communicator.isRoot, hasPictures, let shown = validator.shown {
      pictures = PictureMaker(autoencoder, showing: shown.indices, of: data, configuration, parameters: parameters)
    } else {
      pictures = nil
    }
    rankTimes = try RankTimes(clock, communicator)
    bits =
      train.shape.isImage
      ? BitsPerDimension(
        autoencoder.likelihood.nature, dimensions: train.shape.elementCount, scale: train.scaling.scale) : nil
  }

  /// Returns the report of an epoch, without the numbers that only rank 0's coordinator knows. Collective.
  ///
  /// - Parameter last: The last step of the epoch.
  func report(_ place: EpochPlace, last: StepReport, _ sums: EpochSums) throws(Failure) -> EpochReport {
    clock.enter(.validate)
    let times = try rankTimes.report()
    // With the capacity schedule, beta is a slope that changes sign from step to step. The trainer adds the constraint
    // to the loss.
    let isConstrained = configuration.objective.betaSchedule == .capacity
    let valid = try validator.validate(seed: seed, beta: isConstrained ? 0 : last.beta)
    return EpochReport(
      epoch: place.epoch, step: place.step, beta: last.beta, learningRate: last.learningRate, train: sums.means,
      valid: valid, gradientNorm: sums.gradientNorm / Double(max(sums.steps, 1)),
      samplesPerSecond: sums.seconds > 0 ? sums.weight / sums.seconds : 0, seconds: sums.seconds,
      ranks: communicator.size, skipped: 0, rollbacks: 0, isBest: false, slowestRank: times.slowestRank,
      slowestHost: times.slowestHost, waitShare: times.waitShare, rankSeconds: times.seconds, bits: bits)
  }

  /// Images for the last validation, if they are due, on rank 0; otherwise nil.
  func pictures(_ place: EpochPlace, _ report: EpochReport) -> PictureReport? {
    let isDue = hasPictures && (place.isLast || place.epoch % configuration.monitor.picturesEvery == 0)
    guard let pictures, let shown = validator.shown, isDue else { return nil }
    clock.enter(.pictures)
    return pictures.make(epoch: place.epoch, step: place.step, klPerUnit: report.valid.klPerUnit, of: shown)
  }

  /// The embedding of the last validation's samples, if one is due, on rank 0; otherwise nil.
  func embedding(isLast: Bool = false) -> EmbeddingReport? {
    let isDue = isLast || ContinuousClock.now - embedded > EpochReview.embeddingInterval
    guard communicator.isRoot, configuration.log.tensorboard, isDue, let shown = validator.shown, !shown.mu.isEmpty
    else { return nil }
    clock.enter(.pictures)
    embedded = .now
    return EmbeddingReport(shown, of: data)
  }
}
