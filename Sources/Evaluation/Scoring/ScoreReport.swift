import Data
import Foundation
import Kernels
import Persistence
import Training

/// The scores of a data set and the statistics derived from them. They do not depend on the number of ranks.
package struct ScoreReport {
  /// If the rank correlation of score and norm of x is above this value, the score carries no more information than the
  /// norm.
  package static let normLike = 0.98

  package let data: Dataset
  package let calibration: Calibration
  package let scores: [Double]
  package let anomalous: Int
  /// Detection metrics, or nil without labels.
  package let detection: Detection?
  package let drift: Drift
  package let normCorrelation: Double?
  /// The rows with the highest scores, highest first. Their number is chosen by the caller.
  package let top: [ExaminedRow]
  /// Alarms and times, for data that consists of windows over rows.
  package let sequence: ScoredSequence?
  package let warnings: [String]

  /// - times: Times of the rows of a sequence, if the data has them.
  init(
    data: Dataset, rows: ScoredRows, calibration: Calibration, labels: AnomalyLabels, top: [ExaminedRow],
    times: [String]? = nil
  ) {
    self.data = data
    self.top = top
    sequence = data.windows.map { _ in
      let alarms = Alarm.find(rows.scores, above: calibration.threshold.value, rows: data.sourceRows)
      return ScoredSequence(times: times, alarms: alarms)
    }
    self.calibration = calibration
    scores = rows.scores
    anomalous = scores.count(where: calibration.isAnomalous)
    detection = labels.isAnomaly.map { Detection(rows.scores, isAnomaly: $0, threshold: calibration.threshold.value) }
    drift = Drift(calibration, rows) { data.shape.place(of: $0, columnNames: data.columnNames) }
    normCorrelation = rows.normCorrelation
    var warnings = calibration.warnings + [labels.warning].compactMap { $0 }
    if let normCorrelation, normCorrelation > Self.normLike {
      warnings.append(
        "rows are ranked as by the norm of x (Spearman \((1000 * normCorrelation).rounded() / 1000)), so the model adds "
          + "nothing; check with `vae-dist evaluate` whether the latent is used, or choose another --score")
    }
    self.warnings = warnings
  }

  private var header: String { "index,score,anomalous,p_value" + (sequence == nil ? "" : ",first,last") }

  /// A CSV line for each row, in the order of the data. Each element of the sequence holds up to 4096 lines.
  package var lines: some Sequence<String> {
    stride(from: 0, to: scores.count, by: 4096).lazy.map { first in
      (first == 0 ? header + "\n" : "") + lines(of: first..<min(first + 4096, scores.count))
    }
  }

  private func lines(of rows: Range<Int>) -> String {
    rows.reduce(into: "") { text, index in
      let score = scores[index]
      text += "\(index),\(score),\(calibration.isAnomalous(score) ? 1 : 0),\(calibration.pValue(score))"
      if let sequence {
        let rows = data.sourceRows(of: index)
        text += ",\(cell(sequence.time(ofRow: rows.lowerBound))),\(cell(sequence.time(ofRow: rows.upperBound - 1)))"
      }
      text += "\n"
    }
  }

  /// Writes `lines` to a CSV file.
  package func write(to path: String) throws(Failure) { try DurableFile.write(lines, to: path) }

  /// Writes a CSV file with the contribution of each column to the squared error, for the rows in `top`.
  package func writeContributions(to path: String) throws(Failure) {
    let names = data.columnNames ?? (0..<data.shape.elementCount).map { "x\($0)" }
    let header = "index,score," + names.map(cell).joined(separator: ",") + "\n"
    let rows = top.map { row in
      "\(row.index),\(row.score)," + row.contributions.map { "\($0)" }.joined(separator: ",") + "\n"
    }
    try DurableFile.write([header] + rows, to: path)
  }

  /// The report as JSON. The names are stable because other programs rely on them.
  package func json(_ file: ModelFile) -> JSON {
    .object([
      ("model", .text(file.path)), ("digest", .text(file.digest)), ("data", .text(data.name)),
      ("samples", .integer(scores.count)), ("anomalous", .integer(anomalous)), ("calibration", calibration.summary),
      ("detection", detection?.json ?? .null), ("drift", drift.json),
      ("alarms", sequence.map { .array($0.alarms.map(json)) } ?? .null),
      ("norm_correlation", .optional(normCorrelation)), ("warnings", .array(warnings.map(JSON.text))),
    ])
  }
}

extension ScoreReport {
  private func json(_ alarm: Alarm) -> JSON {
    .object([
      ("first_row", .integer(alarm.rows.lowerBound)), ("last_row", .integer(alarm.rows.upperBound - 1)),
      ("first", .text(sequence?.time(ofRow: alarm.rows.lowerBound) ?? "")),
      ("last", .text(sequence?.time(ofRow: alarm.rows.upperBound - 1) ?? "")),
      ("score", .number(alarm.score)), ("p_value", .number(calibration.pValue(alarm.score))),
    ])
  }
}

/// Quotes a cell for CSV where necessary.
private func cell(_ name: String) -> String {
  name.contains { $0 == "," || $0 == "\"" || $0.isNewline }
    ? "\"" + name.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : name
}

extension Calibration {
  package var summary: JSON {
    .object([
      ("score", .text(score.rawValue)), ("draws", .integer(draws)), ("data", .text(data)),
      ("rows", .integer(scores.count)), ("quantile", .number(threshold.quantile)),
      ("threshold", .number(threshold.value)),
      ("threshold_interval", .array([.optional(threshold.low), .optional(threshold.high)])),
    ])
  }
}

extension Detection {
  package var json: JSON {
    .object([
      ("anomalies", .integer(anomalies)), ("normals", .integer(normals)), ("auroc", .optional(auroc)),
      ("average_precision", .optional(averagePrecision)), ("precision", .optional(precision)),
      ("recall", .optional(recall)), ("f1", .optional(f1)), ("false_alarms", .optional(falseAlarms)),
    ])
  }
}
