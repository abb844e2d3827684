import Foundation
import Kernels
import Persistence
import Training

/// Calibration of an anomaly score on normal rows: the threshold for anomalies and the statistics that new data is
/// compared with.
package struct Calibration: Sendable, Equatable, Codable {
  package static let format = 1
  package static let mostDraws = 100_000

  /// The score above which a row is anomalous: a quantile of the calibration scores.
  package struct Threshold: Sendable, Equatable, Codable {
    package let quantile: Double
    package let value: Double
    /// 95 % confidence limits of the quantile; nil if there are too few rows for a limit.
    package let low: Double?
    package let high: Double?
  }

  package var format = Calibration.format
  /// Digest of the model's parameters.
  package let model: String
  package let score: Score
  package let draws: Int
  /// Name of the data set; `available` is its number of rows.
  package let data: String
  package let available: Int
  package private(set) var threshold: Threshold
  /// Number of windows that share rows with a given window, including itself, so that only one of `overlap` windows
  /// counts as independent; nil for independent rows.
  package let overlap: Int?
  /// Scores of the calibration rows, ascending.
  package let scores: [Double]
  /// Distributions of the columns, or nil for samples with very many columns.
  package let columns: ColumnBaseline?

  package init(
    model: String, score: Score, draws: Int, data: String, available: Int, scores: [Double], columns: ColumnBaseline?,
    quantile: Double, overlap: Int? = nil
  ) {
    self.model = model
    self.score = score
    self.draws = draws
    self.data = data
    self.available = available
    self.overlap = overlap
    self.scores = scores.sorted()
    self.columns = columns
    threshold = Self.threshold(quantile, self.scores, overlap ?? 1)
  }

  private static func threshold(_ share: Double, _ sorted: [Double], _ overlap: Int) -> Threshold {
    let interval = QuantileInterval(share, count: sorted.count, overlap: overlap)
    return Threshold(
      quantile: share, value: quantile(share, ofSorted: sorted), low: interval.low.map { sorted[$0 - 1] },
      high: interval.high.map { sorted[$0 - 1] })
  }

  /// The calibration on the same rows with the threshold at another quantile.
  package func at(quantile: Double) -> Calibration {
    var other = self
    other.threshold = Self.threshold(quantile, scores, overlap ?? 1)
    return other
  }

  package func isAnomalous(_ score: Double) -> Bool { score > threshold.value }
  package func pValue(_ score: Double) -> Double { conformalPValue(score, calibration: scores) }

  /// Warnings about the accuracy of the threshold.
  package var warnings: [String] {
    let least = QuantileInterval.leastCount(threshold.quantile, overlap: overlap ?? 1)
    guard threshold.high == nil else { return [] }
    let rows = overlap.map { "calibration windows (one in \($0) counts, because they share rows)" }
    return [
      "\(scores.count) \(rows ?? "calibration rows") are too few for the \(threshold.quantile) quantile: how far the true threshold "
        + "may lie above \(threshold.value) is not known; give at least \(least), or a smaller --quantile"
    ]
  }
}

// MARK: Storage

extension Calibration {
  /// Metadata key of the calibration in an exported model.
  package static let metadataKey = "vae_dist.calibration"

  /// Path of the calibration file next to a model file. In a checkpoint it is `calibration.json`.
  package static func path(besideModel path: String) -> String {
    let url = URL(fileURLWithPath: path), stem = url.deletingPathExtension().lastPathComponent
    let name = stem == "model" ? "calibration.json" : stem + ".calibration.json"
    return url.deletingLastPathComponent().appendingPathComponent(name).path
  }

  package var json: String {
    get throws(Failure) {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      guard let bytes = try? encoder.encode(self) else {
        throw Failure(
          .badData, "\(data): some of its scores are not finite, so there is no threshold",
          hint: "look at these rows with `vae-dist data inspect`, and calibrate on normal rows")
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  package var digest: String {
    get throws(Failure) {
      let hash = SHA256()
      hash.update(try json)
      return hash.finish()
    }
  }

  /// Writes the calibration next to the model file.
  package func write(besideModel path: String) throws(Failure) {
    try DurableFile.write(json + "\n", to: Calibration.path(besideModel: path))
  }

  /// Reads the calibration stored next to a model or inside its file; nil if there is none. Throws if it cannot be read
  /// or belongs to another model.
  package static func stored(for model: ModelFile) throws(Failure) -> Calibration? {
    let place = path(besideModel: model.path)
    if FileManager.default.fileExists(atPath: place) { return try read(DurableFile.read(place), from: place, model) }
    guard let text = try SafetensorsFile(path: model.path).metadata[metadataKey] else { return nil }
    return try read(Array(text.utf8), from: model.path, model)
  }

  private static func read(_ bytes: [UInt8], from place: String, _ model: ModelFile) throws(Failure) -> Calibration {
    let hint = "calibrate again: `vae-dist score RUN --calibrate`"
    guard let found = try? JSONDecoder().decode(Calibration.self, from: Foundation.Data(bytes)), found.isSound,
      found.columns?.columns.count ?? model.metadata.shape.elementCount == model.metadata.shape.elementCount
    else {
      throw Failure(.badData, "\(place.printable) is not a readable calibration", hint: hint)
    }
    guard found.model == model.digest else {
      throw Failure(.badData, "\(place.printable) was made for another model than \(model.path.printable)", hint: hint)
    }
    return found
  }

  /// Whether the values are consistent. The file may come from an untrusted source.
  private var isSound: Bool {
    func ascend<T: Comparable>(_ values: [T]) -> Bool { zip(values, values.dropFirst()).allSatisfy { $0 <= $1 } }
    let tables = columns.map { baseline in
      baseline.rows > 0
        && baseline.columns.allSatisfy { column in
          !column.values.isEmpty && ascend(column.values) && ascend(column.upTo) && ascend(column.below)
            && column.values.count == column.upTo.count && column.values.count == column.below.count
            && column.below.first ?? 0 >= 0 && zip(column.below, column.upTo).allSatisfy { $0 <= $1 }
            && column.upTo.last == baseline.rows
        }
    }
    return format == Calibration.format && !scores.isEmpty && ascend(scores) && tables ?? true && draws > 0
      && draws <= Calibration.mostDraws && threshold.quantile > 0 && threshold.quantile < 1 && overlap ?? 1 > 0
      && threshold == Self.threshold(threshold.quantile, scores, overlap ?? 1)
  }
}
