import Communication
import Data
import Kernels
import Training

/// Calibrates a model's score on normal rows, and scores others by it.
package final class AnomalyScorer {
  /// Rows that are calibrated on, and rows whose columns the baseline is made from.
  private static let mostRows = 100_000
  private static let baselineRows = 10_000
  private static let baselineValues = 1 << 22

  package let model: TrainedModel
  package let scorer: RowScorer
  private let communicator: Communicator

  /// Collective. - score: by default the squared error of images and the ELBO of vectors.
  package init(_ model: TrainedModel, score: Score?, draws: Int?, _ communicator: Communicator) throws(Failure) {
    self.model = model
    self.communicator = communicator
    scorer = RowScorer(
      model.autoencoder, score ?? (model.shape.isImage ? .squaredError : .negativeELBO), draws: draws, seed: model.seed)
    try communicator.agree(
      on: [("rows of a replay", "\(scorer.rows)")], when: "before scoring",
      hint: "give every rank the same libraries and kind of CPU")
  }

  /// The score that is asked for, or else that of `stored`; and `stored`, at another quantile where one is asked for, if it
  /// is of that score. Collective.
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

  /// Collective. - spec: normal rows that the model was not trained on; by default those that it was validated on.
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

  /// Scores of rows that were trained on are too low, and so is their quantile.
  private func requireUnseen(_ data: Dataset, _ spec: String?) throws(Failure) {
    let seen = model.file.training?.dataFingerprint
    guard data.fingerprint == seen || isTrainingSource(data, spec, seen) else { return }
    throw Failure(
      .usage,
      "\(data.name): the model was trained on these rows, whose scores are lower than those of other normal rows",
      hint: "calibrate on rows that were kept aside: --calibrate --data SPEC")
  }

  /// Whether rows were trained on that `spec` names, when it is opened as training opened it: a part of them, perhaps.
  private func isTrainingSource(_ data: Dataset, _ spec: String?, _ seen: String?) -> Bool {
    guard let spec, let seen else { return false }
    var configuration = model.configuration
    configuration.data.source = spec
    guard let train = try? configuration.openSets(schema: model.schema).train else { return false }
    return train.fingerprint == seen && train.sourceFingerprint == data.sourceFingerprint
  }

  /// Collective. - normal: the class that is no anomaly; by default labels say 1 of anomalies and 0 of others.
  /// - label: the column of labels, of a table.
  /// - examined: so many of the highest scores are looked at closely.
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

/// Which rows are anomalies, as far as the data says.
package struct AnomalyLabels: Sendable {
  /// nil where nothing is known.
  package let isAnomaly: [Bool]?
  /// Why labels that are there were not used.
  package let warning: String?

  init(_ data: Dataset, normal: String?) throws(Failure) {
    guard try data.loadLabels() else {
      guard normal == nil else {
        throw Failure(.usage, "\(data.name) has no labels, so --normal says nothing", hint: "leave it out")
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
        "the model is told the labels of \(data.name), so they do not say which rows are anomalies; name the normal "
        + "class with --normal"
    } else if known.allSatisfy([0, 1].contains), data.classNames ?? ["0", "1"] == ["0", "1"] {
      (isAnomaly, warning) = (labels.map { $0 == 1 }, nil)
    } else {
      isAnomaly = nil
      warning =
        "the labels of \(data.name) are not used: they are other than 0 (normal) and 1 (anomaly); name the "
        + "normal class with --normal"
    }
  }
}
