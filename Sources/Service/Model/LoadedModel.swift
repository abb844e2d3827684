#if Service
import Data
import Evaluation
import Kernels
import Persistence
import Training

/// The properties of the model that request handlers need. The model itself stays on its own thread.
struct LoadedModel: Sendable {
  let decoder: RowDecoder
  let calibration: Calibration?
  let score: Score
  let draws: Int
  let latent: Int
  /// Number of rows in each replay.
  let replays: [Int]
  /// The model's own seed, which is the default for new samples.
  let seed: UInt64
  let path: String
  let digest: String
  let monitor: DriftMonitor

  init(
    _ model: TrainedModel, _ scorer: RowScorer, _ calibration: Calibration?, _ configuration: ServiceConfiguration
  ) throws(Failure) {
    let settings = model.configuration.data, shape = model.shape
    var form = ReceivedForm(shape: shape)
    (form.table, form.schema) = (settings.table, model.schema)
    if shape.isImage {
      form.images = ImageOptions(
        size: settings.imageSize == 0 && shape.height == shape.width ? shape.height : settings.imageSize,
        channels: shape.channels)
    }
    // One row may decode to many elements, so this bounds the memory of one request.
    decoder = RowDecoder(
      form: form, scaling: model.file.metadata.scaling, requirement: try model.configuration.dataRequirement,
      mostRows: max(1, min(configuration.mostRows, (1 << 24) / shape.elementCount)))
    self.calibration = calibration
    (score, draws, latent, replays) = (scorer.score, scorer.draws, scorer.latent, scorer.sizes)
    (seed, path, digest) = (model.seed, model.file.path, model.file.digest)
    let names = model.schema?.elementNames
    monitor = DriftMonitor(calibration, elements: shape.elementCount, window: configuration.window) {
      shape.place(of: $0, columnNames: names)
    }
  }

  /// Bucket bounds for the histogram of scores: quantiles of the calibration scores and the threshold.
  var scoreBounds: [Double] {
    guard let calibration else { return [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000] }
    let quantiles = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99].map { quantile($0, ofSorted: calibration.scores) }
    return Set(quantiles + [calibration.threshold.value]).sorted()
  }
}
#endif
