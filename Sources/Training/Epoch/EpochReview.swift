import Communication
import RunConfiguration
import Data
import Kernels
import VAE

/// What is looked at when an epoch is over: the ranks' times, validation, pictures, and where the encoder puts samples.
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
  /// On rank 0.
  private let pictures: PictureMaker?
  private var embedded = ContinuousClock.now
  /// The embedding shows one moment: the end, and now and then the present.
  private static let embeddingInterval = Swift.Duration.seconds(300)

  /// Collective.
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

  /// The epoch's numbers, without those that rank 0's coordinator has. `last`: its last step. Collective.
  func report(_ place: EpochPlace, last: StepReport, _ sums: EpochSums) throws(Failure) -> EpochReport {
    clock.enter(.validate)
    let times = try rankTimes.report()
    // Under capacity beta is a slope, whose sign changes from step to step.
    let isConstrained = configuration.objective.betaSchedule == .capacity
    let valid = try validator.validate(seed: seed, beta: isConstrained ? 0 : last.beta)
    return EpochReport(
      epoch: place.epoch, step: place.step, beta: last.beta, learningRate: last.learningRate, train: sums.means,
      valid: valid, gradientNorm: sums.gradientNorm / Double(max(sums.steps, 1)),
      samplesPerSecond: sums.seconds > 0 ? sums.weight / sums.seconds : 0, seconds: sums.seconds,
      ranks: communicator.size, skipped: 0, rollbacks: 0, isBest: false, slowestRank: times.slowestRank,
      slowestHost: times.slowestHost, waitShare: times.waitShare, rankSeconds: times.seconds, bits: bits)
  }

  /// Of the validation that was reported last, where pictures are due; on rank 0.
  func pictures(_ place: EpochPlace, _ report: EpochReport) -> PictureReport? {
    let isDue = hasPictures && (place.isLast || place.epoch % configuration.monitor.picturesEvery == 0)
    guard let pictures, let shown = validator.shown, isDue else { return nil }
    clock.enter(.pictures)
    return pictures.make(epoch: place.epoch, step: place.step, klPerUnit: report.valid.klPerUnit, of: shown)
  }

  /// As the last validation had it, where one is due; nil without one. On rank 0.
  func embedding(isLast: Bool = false) -> EmbeddingReport? {
    let isDue = isLast || ContinuousClock.now - embedded > EpochReview.embeddingInterval
    guard communicator.isRoot, configuration.log.tensorboard, isDue, let shown = validator.shown, !shown.mu.isEmpty
    else { return nil }
    clock.enter(.pictures)
    embedded = .now
    return EmbeddingReport(shown, of: data)
  }
}
