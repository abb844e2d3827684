import Foundation
import Kernels
import Persistence
import Settings
import Training

/// The state of a run for a terminal: its description, its progress and up to four curves.
package struct RunScreen {
  private let run: RunRecord
  private let columns: Int
  private let rows: Int
  private let isColored: Bool
  private let now: Date

  package init(_ run: RunRecord, columns: Int, rows: Int, isColored: Bool, now: Date = Date()) {
    self.run = run
    self.columns = max(30, columns)
    self.rows = rows
    self.isColored = isColored
    self.now = now
  }

  /// The lines of the screen, at most as many as its rows.
  package var lines: [String] {
    let head = [title, progress, figures].compactMap { $0 }.map(cut)
    let tail = remarks.map(cut)
    let isWide = columns >= 80
    let charts = self.charts
    let chartRows = isWide ? 2 : 4
    // Each chart has a title and an axis in addition to its plot.
    let free = rows - head.count - tail.count - 1
    let height = min(12, max(3, free / chartRows - 3))
    let width = isWide ? (columns - 3) / 2 : columns
    let blocks = charts.map { $0.lines(width: width, height: height, isColored: isColored) }.filter { !$0.isEmpty }
    var body: [String] = []
    for first in stride(from: 0, to: blocks.count, by: isWide ? 2 : 1) {
      body.append("")
      body += isWide && first + 1 < blocks.count ? beside(blocks[first], blocks[first + 1], width) : blocks[first]
    }
    return head + body + (tail.isEmpty ? [] : [""] + tail)
  }

  /// The progress and figures of the run in a single line.
  package var line: String { cut([progress, figures].compactMap { $0 }.joined(separator: "  ")) }

  private func cut(_ line: String) -> String { line.count > columns ? line.prefix(columns - 1) + "…" : line }

  private func beside(_ left: [String], _ right: [String], _ width: Int) -> [String] {
    (0..<max(left.count, right.count)).map { i in
      let (l, r) = (i < left.count ? left[i] : "", i < right.count ? right[i] : "")
      return r.isEmpty ? l : l + String(repeating: " ", count: max(0, width + 3 - RunScreen.shown(l))) + r
    }
  }

  /// Number of visible characters of a line, without colour codes.
  private static func shown(_ line: String) -> Int {
    var count = 0, isHidden = false
    for character in line {
      if character == "\u{1b}" {
        isHidden = true
      } else if !isHidden {
        count += 1
      } else if character == "m" {
        isHidden = false
      }
    }
    return count
  }

  // MARK: Text

  private var title: String {
    let start = run.metrics.start
    let data = [start?.data ?? run[setting: "data.source"], start?.shape].compactMap { $0 }.joined(separator: " ")
    return [run.path, data].filter { !$0.isEmpty }.joined(separator: "  ").printable
  }

  /// Number of steps done, according to the most recent source.
  private var step: Int { max(run.status?.step ?? 0, run.epochs.last?.step ?? 0, run.metrics.steps.last?.step ?? 0) }

  private var progress: String? {
    var parts = [RunText.standing(run, now: now)]
    let epochs = run[setting: "train.max_epochs"].map { "/" + $0.printable } ?? ""
    parts.append("epoch \(run.epochs.last?.epoch ?? run.status?.epoch ?? 0)\(epochs)")
    parts.append("step \(step)" + (run.metrics.start?.totalSteps.map { "/\($0)" } ?? ""))
    if run.standing(now: now) == .going, let left = secondsLeft { parts.append("eta \(left, .clock)") }
    return parts.joined(separator: "  ")
  }

  private var secondsLeft: Double? {
    guard let total = run.metrics.start?.totalSteps, let last = run.epochs.last, total > step else { return nil }
    let before = run.epochs.dropLast().last?.step ?? 0
    guard last.step > before, last.seconds > 0 else { return nil }
    return last.seconds / Double(last.step - before) * Double(total - step)
  }

  private var figures: String? {
    guard let last = run.epochs.last else { return "no epoch is finished yet" }
    var parts = ["valid -elbo \(last.valid.negativeELBO, .fixed(2))"]
    if let best = run.lowest { parts.append("(best \(best.valid.negativeELBO, .fixed(2)) in epoch \(best.epoch))") }
    if let bits = last.validBits { parts.append("\(bits, .fixed(3)) bits/dim") }
    parts.append("\(last.samplesPerSecond, .short) samples/s")
    parts.append("ranks \(last.ranks)")
    return parts.joined(separator: "  ")
  }

  /// The last notable events, the newest last, and damaged files.
  private var remarks: [String] {
    let events = run.events.filter { !["start", "resume", "stop"].contains($0.kind) }.suffix(3)
    return events.map { "\($0.kind) at step \($0.step): \($0.message)".printable }
      + run.damage.prefix(2).map { "damaged: " + $0.printable }
  }

  // MARK: Curves

  private struct Chart {
    var title: String
    var curves: [TextChart.Curve]
    var within: ClosedRange<Double>?
    var ends: (String, String)

    func lines(width: Int, height: Int, isColored: Bool) -> [String] {
      let chart = TextChart(curves: curves, width: width, height: height, within: within, ends: ends)
      let lines = chart.lines(isColored: isColored)
      return lines.isEmpty ? [] : [title.count > width ? String(title.prefix(width)) : title] + lines
    }
  }

  private var charts: [Chart] {
    let epochs = run.epochs, steps = run.metrics.steps
    // Before the second epoch there is no curve over epochs, so the curves are over steps where they were recorded.
    if epochs.count < 2, steps.count > 1 {
      let ends = ("step \(steps[0].step)", "\(steps[steps.count - 1].step)")
      return [
        Chart(title: "recon (nats) of steps", curves: [.init(values: steps.map(\.train.reconstruction))], ends: ends),
        Chart(title: "kl (nats) of steps", curves: [.init(values: steps.map(\.train.kl))], ends: ends),
        Chart(title: "beta", curves: [.init(values: steps.map(\.beta), color: 3)], within: 0...0, ends: ends),
      ]
    }
    guard let first = epochs.first, let last = epochs.last, epochs.count > 1 else { return [] }
    let ends = ("epoch \(first.epoch)", "\(last.epoch)")
    func both(_ name: String, _ term: (ELBOMeans) -> Double) -> Chart {
      let (train, valid) = (epochs.map { term($0.train) }, epochs.map { term($0.valid) })
      return Chart(
        title: "\(name) (nats)  ─ valid \(term(last.valid), .fixed(2))  ┈ train \(term(last.train), .fixed(2))",
        curves: [.init(values: valid), .init(values: train, isDotted: true, color: 5)], ends: ends)
    }
    let units = run[setting: "model.latent"].flatMap { Int($0) }
    let active = epochs.map { $0.activeUnits.map(Double.init) ?? .nan }
    let now = last.activeUnits.map { " \($0)" } ?? ""
    return [
      both("recon", \.reconstruction), both("kl", \.kl),
      Chart(
        title: "beta \(last.beta, .fixed(3))", curves: [.init(values: epochs.map(\.beta), color: 3)], within: 0...0,
        ends: ends),
      Chart(
        title: "active units\(now)" + (units.map { " of \($0)" } ?? ""), curves: [.init(values: active, color: 2)],
        within: 0...Double(max(0, units ?? 0)), ends: ends),
    ]
  }
}

/// Texts about the state of a run.
package enum RunText {
  package static func standing(_ run: RunRecord, now: Date = Date()) -> String {
    switch run.standing(now: now) {
    case .finished(let isEarly): return isEarly ? "finished (monitor.patience)" : "finished"
    case .stopped(let reason): return "stopped (\(reason.printable))"
    case .failed(let message): return "failed: \(message.printable)"
    case .going: return run.status?.state == "starting" ? "starting" : "training"
    case .cutOff(let since):
      guard let since else { return "unknown: there is no status.json" }
      guard let time = ISO8601DateFormatter().date(from: since) else { return "died" }
      return "died: no sign of life for \(now.timeIntervalSince(time), .age)"
    }
  }
}
