import Communication
import Data
import Kernels
import Training

/// Calibrates a model's score on normal rows, and scores other rows against that calibration.
package final class AnomalyScorer {
  /// Maximum number of rows to calibrate on, and maximum number of rows and values for the baseline of the columns.
  private static let mostRows = 100_000
  private static let baselineRows = 10_000
  private static let baselineValues = 1 << 22

  package let model: TrainedModel
  package let scorer: RowScorer
  private let communicator: Communicator

  /// Creates a scorer. This call is collective.
  /// - score: The score to compute. The default is the squared error for images and the negative ELBO for vectors.
  package init(_ model: TrainedModel, score: Score?, draws: Int?, _ communicator: Communicator) throws(Failure) {
    self.model = model
    self.communicator = communicator
    scorer = RowScorer(
      model.autoencoder, score ?? (model.shape.isImage ? .squaredError : .negativeELBO), draws: draws, seed: model.seed)
    try communicator.agree(
      on: [("rows of a replay", "\(scorer.rows)")], when: "before scoring",
      hint: "give every rank the same libraries and kind of CPU")
  }

  /// Creates a scorer with the requested score, or else with the score of `stored`. Also returns `stored` if it was
  /// made with the same score and draws, moved to the requested quantile if there is one. This call is collective.
  package static func choose(
    _ model: TrainedModel, score: Score?, draws: Int?, quantile: Double?, stored: Calibration?,
    _ communicator: Communicator
  ) throws(Failure) -> (AnomalyScorer, Calibration?) {
    let chosen = try AnomalyScorer(
      model, score: score ?? stored?.score, draws: draws ?? stored?.draws, communicator)
    guard let stored, stored.score == chosen.scorer.score, stored.draws == chosen.scorer.draws else {
      return (chosen, nil)
    }
    return (chosen, quantile.map(stored.at) ?? stored)
  }

  /// Calibrates on normal rows. This call is collective.
  /// - spec: Normal rows that the model was not trained on; by default the run's validation set.
  package func calibrate(on spec: String?, quantile: Double) throws(Failure) -> Calibration {
    let data = try open(spec)
    try communicator.together { () throws(Failure) in try requireUnseen(data, spec) }
    let pass = ScoringPass(model, scorer, data.spaced(Self.mostRows), communicator)
    let rows = try pass.run(), width = model.shape.elementCount
    let columns =
      width <= ColumnBaseline.mostColumns
      ? ColumnBaseline(try pass.spread(atMost: min(Self.baselineRows, Self.baselineValues / width)), width: width) : nil
    return Calibration(
      model: model.file.digest, score: scorer.score, draws: scorer.draws, data: data.name, available: data.count,
      scores: rows.scores, columns: columns, quantile: quantile,
      overlap: data.windows.map { max(1, ($0.length + $0.stride - 1) / $0.stride) })
  }

  /// Throws if the model was trained on these rows. Their scores are too low, and the threshold would be too low as
  /// well.
  private func requireUnseen(_ data: Dataset, _ spec: String?) throws(Failure) {
    let seen = model.file.training?.dataFingerprint
    guard data.fingerprint == seen || isTrainingSource(data, spec, seen) else { return }
    throw Failure(
      .usage,
      "\(data.name): the model was trained on these rows, whose scores are lower than those of other normal rows",
      hint: "calibrate on held-out rows: --calibrate --data SPEC")
  }

  /// Whether `spec` is the source of the training rows. It is opened as in training, so this also holds if the model
  /// was trained on only a part of it.
  private func isTrainingSource(_ data: Dataset, _ spec: String?, _ seen: String?) -> Bool {
    guard let spec, let seen else { return false }
    var configuration = model.configuration
    configuration.data.source = spec
    guard let train = try? configuration.openSets(schema: model.schema).train else { return false }
    return train.fingerprint == seen && train.sourceFingerprint == data.sourceFingerprint
  }

  /// Scores rows against a calibration. This call is collective.
  /// - normal: The class of normal rows. By default, label 1 means an anomaly and label 0 a normal row.
  /// - label: The label column, for a table.
  /// - examined: Number of rows with the highest scores that are returned in detail.
  package func score(
    _ spec: String, by calibration: Calibration, normal: String? = nil, label: String? = nil, examined: Int = 0
  ) throws(Failure) -> ScoreReport {
    let data = try open(spec, label: label)
    let labels = try communicator.together { () throws(Failure) in try AnomalyLabels(data, normal: normal) }
    let times = try communicator.together { () throws(Failure) in
      communicator.isRoot && data.windows != nil ? try data.times() : nil
    }
    let pass = ScoringPass(model, scorer, data, baseline: calibration.columns, communicator)
    let rows = try pass.run()
    return ScoreReport(
      data: data, rows: rows, calibration: calibration, labels: labels,
      top: try pass.examine(top: examined, of: rows.scores), times: times)
  }

  private func open(_ spec: String?, label: String? = nil) throws(Failure) -> Dataset {
    let data = try communicator.together { () throws(Failure) in try model.open(spec, label: label) }
    try communicator.agree(
      on: [("samples", "\(data.count)"), ("digest of the data", data.fingerprint)], when: "before scoring",
      status: .badData, hint: "give every host the same data files")
    return data
  }
}

/// Which rows are anomalies according to the labels of the data.
package struct AnomalyLabels: Sendable {
  /// One value for each row, or nil if the labels do not tell.
  package let isAnomaly: [Bool]?
  /// Why the existing labels were not used; nil if there is nothing to report.
  package let warning: String?

  init(_ data: Dataset, normal: String?) throws(Failure) {
    guard try data.loadLabels() else {
      guard normal == nil else {
        throw Failure(.usage, "\(data.name) has no labels, so --normal has no effect", hint: "omit --normal")
      }
      (isAnomaly, warning) = (nil, nil)
      return
    }
    let labels = (0..<data.count).map { data.label(at: $0) ?? 0 }
    let known = Set(labels).sorted()
    if let normal {
      let place = data.classNames?.firstIndex(of: normal) ?? Int(normal)
      guard let place, known.contains(place) else {
        let names = known.prefix(12).map { label in
          data.classNames.flatMap { $0.indices.contains(label) ? $0[label] : nil } ?? "\(label)"
        }
        throw Failure(
          .usage, "--normal \(normal): \(data.name) has no such class", hint: "it has " + names.joined(separator: ", "))
      }
      (isAnomaly, warning) = (labels.map { $0 != place }, nil)
    } else if data.condition?.kind == .label {
      isAnomaly = nil
      warning =
        "the model is conditioned on the labels of \(data.name), so they do not mark anomalies; name the normal "
        + "class with --normal"
    } else if known.allSatisfy([0, 1].contains), data.classNames ?? ["0", "1"] == ["0", "1"] {
      (isAnomaly, warning) = (labels.map { $0 == 1 }, nil)
    } else {
      isAnomaly = nil
      warning =
        "the labels of \(data.name) are not used, because some are neither 0 (normal) nor 1 (anomaly); name the "
        + "normal class with --normal"
    }
  }
}
