import RunConfiguration
import Persistence
import Settings
import Training

/// The results of a learning rate search as a table, a plot of characters and JSON.
package struct RateSweepText {
  private let sweep: RateSweep
  package init(_ sweep: RateSweep) { self.sweep = sweep }

  package var json: JSON {
    func optional(_ value: Double?) -> JSON { value.map(JSON.number) ?? .null }
    return .object([
      ("suggestion", optional(sweep.suggestion)), ("lowest_at", optional(sweep.lowest?.rate)),
      ("diverged_at", optional(sweep.divergence)), ("complete", .flag(!sweep.isCutShort)),
      (
        "steps",
        .array(
          sweep.points.map {
            .object([
              ("learning_rate", .number($0.rate)), ("loss", .number($0.loss)), ("smoothed", .number($0.smoothed)),
            ])
          })
      ),
    ])
  }

  package var text: String { ([table, plot, verdict].joined(separator: "\n\n")) + "\n" }

  private var table: String {
    let rows = stride(from: 0, to: sweep.points.count, by: 10).map { i in
      let point = sweep.points[i]
      return ["\(point.rate, .scientific(1))", "\(point.loss, .fixed(2))", "\(point.smoothed, .fixed(2))"]
    }
    let all = [["learning rate", "loss", "smoothed"]] + rows
    return all.map { row in row.map { String(repeating: " ", count: max(0, 14 - $0.count)) + $0 }.joined() }
      .joined(separator: "\n")
  }

  /// The smoothed loss over the logarithm of the rate. The plot's height covers the decrease of the loss; values far
  /// above the initial loss are cut off.
  private var plot: String {
    let width = 64, height = 12
    guard let first = sweep.points.first, let lowest = sweep.lowest else { return "(no finite step)" }
    let span = max(first.smoothed - lowest.smoothed, 1e-12), top = first.smoothed + 0.2 * span
    var lines = [[Character]](repeating: [Character](repeating: " ", count: width), count: height)
    for (i, point) in sweep.points.enumerated() {
      let column = i * (width - 1) / (RateSweep.steps - 1)
      if point.rate != sweep.suggestion, lines.contains(where: { $0[column] == "o" }) { continue }
      let depth = min(max((top - point.smoothed) / (top - lowest.smoothed), 0), 1)
      lines[Int((depth * Double(height - 1)).rounded())][column] = point.rate == sweep.suggestion ? "o" : "*"
    }
    let margin = String(repeating: " ", count: 11)
    let labels = lines.indices.map { i in
      let value = i == 0 ? top : i == height - 1 ? lowest.smoothed : nil
      guard let label = value.map({ "\($0, .fixed(2))" }) else { return margin }
      return String(repeating: " ", count: max(0, 10 - label.count)) + label + " "
    }
    let ends = ("\(RateSweep.range.lowerBound, .scientific(1))", "\(RateSweep.range.upperBound, .scientific(1))")
    let axis = ends.0 + String(repeating: " ", count: max(1, width - ends.0.count - ends.1.count)) + ends.1
    return
      (zip(labels, lines).map { $0 + "|" + String($1) } + [
        margin + "+" + String(repeating: "-", count: width), margin + " " + axis,
      ]).joined(separator: "\n")
  }

  private var verdict: String {
    var lines: [String] = []
    if sweep.isCutShort, let last = sweep.points.last {
      lines.append(
        "stopped at       \(last.rate, .scientific(1)), by a signal or train.max_time: no higher rate was tried")
    }
    if let lowest = sweep.lowest { lines.append("lowest loss at   \(lowest.rate, .scientific(1))") }
    if let divergence = sweep.divergence { lines.append("diverged at      \(divergence, .scientific(1))") }
    lines.append(
      sweep.suggestion.map { suggestion in
        let rate = "\(suggestion, .scientific(1))"
        return "suggestion       \(rate): where the loss falls fastest (o); --set optimizer.learning_rate=\(rate)"
      } ?? "no suggestion: the loss does not fall at any rate")
    return lines.joined(separator: "\n")
  }
}
