import Evaluation
import Foundation
import Reporting
import Kernels
import Settings

extension Calibration {
  /// The calibration as lines of text.
  package var lines: [String] {
    let limits = [threshold.low, threshold.high].map { $0.map { "\($0, .significant(4))" } ?? "unknown" }
    let part = available > scores.count ? " of \(available), evenly spaced" : ""
    return [
      "score      \(score.rawValue): \(score.meaning)" + (draws > 1 ? ", \(draws) draws of z" : ""),
      "calibrated on \(scores.count) rows\(part), of \(data)",
      "threshold  \(threshold.value, .significant(4)), their \(threshold.quantile) quantile; "
        + "95 % interval \(limits[0]) to \(limits[1])",
    ]
  }
}

extension ScoreReport {
  /// The scores as text.
  package var text: String {
    let count = Double(max(scores.count, 1))
    var lines = calibration.lines
    lines.append(
      "scored     \(scores.count) rows of \(data.name): \(anomalous) above the threshold, "
        + "\(percent(Double(anomalous) / count)); \(percent(1 - calibration.threshold.quantile)) of normal rows would be"
    )
    if let sequence { lines += text(sequence) }
    if let detection { lines += text(detection) }
    lines += text(drift)
    if let normCorrelation { lines.append("norm of x  Spearman \(normCorrelation, .fixed(3)) with the score") }
    return lines.joined(separator: "\n")
  }

  private func text(_ detection: Detection) -> [String] {
    func part(_ name: String, _ value: Double?) -> String? { value.map { "\(name) \($0, .fixed(4))" } }
    let ranking = [part("AUROC", detection.auroc), part("average precision", detection.averagePrecision)]
    let decisions = [
      part("F1", detection.f1), part("precision", detection.precision), part("recall", detection.recall),
      part("false alarms", detection.falseAlarms),
    ]
    let all = [ranking, decisions].map { $0.compactMap { $0 }.joined(separator: ", ") }
    return [
      "labels     \(detection.anomalies) anomalies, \(detection.normals) normal"
        + (all[0].isEmpty ? "" : ": " + all[0]),
      "           at the threshold: " + all[1],
    ]
  }

  private static let mostAlarms = 12

  private func text(_ sequence: ScoredSequence) -> [String] {
    let alarms = sequence.alarms
    let highest = alarms.sorted { $0.score > $1.score }.prefix(Self.mostAlarms).sorted {
      $0.rows.lowerBound < $1.rows.lowerBound
    }
    var lines = ["alarms     \(alarms.count): windows above the threshold that share rows count once"]
    for alarm in highest {
      let first = sequence.time(ofRow: alarm.rows.lowerBound), last = sequence.time(ofRow: alarm.rows.upperBound - 1)
      lines.append("           \(first) to \(last), highest score \(alarm.score, .significant(4))".printable)
    }
    if alarms.count > highest.count { lines.append("           and \(alarms.count - highest.count) with lower scores") }
    return lines
  }

  private func text(_ drift: Drift) -> [String] {
    func text(_ comparison: Drift.Comparison) -> String {
      "\(comparison.name.printable) KS \(comparison.test.statistic, .fixed(3)), PSI \(comparison.stability, .fixed(3))"
    }
    var lines = ["drift      \(drift.level.rawValue): \(text(drift.score)) (\(drift.score.level.rawValue))"]
    let drifted = drift.drifted
    if !drift.columns.isEmpty { lines.append("           \(drifted.count) of \(drift.columns.count) columns drifted") }
    for column in drifted.prefix(5) { lines.append("           \(text(column)) (\(column.level.rawValue))") }
    return lines
  }

  private func percent(_ share: Double) -> String { "\(100 * share, .significant(4)) %" }
}
