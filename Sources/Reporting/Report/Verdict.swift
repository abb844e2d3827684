import Foundation
import Kernels
import Settings
import Training

/// The assessment of a run: how it ended, how its validation went, and the findings.
package struct Verdict: Sendable {
  /// Two or three sentences that say what happened and how good it is.
  package var sentence: String
  /// What to do next.
  package var next: String
  /// The findings, the most severe first.
  package var findings: [Finding]

  package init(_ run: RunRecord) {
    var found = RunChecks.all.findings(in: run)
    let hasCollapsed = found.contains { $0.level == .problem && $0.check == "collapse" }
    // In a collapsed run, convergence is not good news.
    if hasCollapsed { found.removeAll { $0.check == "convergence" } }
    findings = found.gravestFirst
    let trend = Trend(run), state = Verdict.state(run)
    let quality = hasCollapsed ? ", and the posterior has collapsed" : run.epochs.isEmpty ? "" : trend.words
    var text = state + quality + "."
    if let lowest = run.lowest {
      text += " The lowest validation −ELBO is \(lowest.valid.negativeELBO, .typeset) nats per sample"
      if let bits = lowest.validBits { text += " (\(bits, .typeset) bits per dimension)" }
      text += ", at epoch \(lowest.epoch)"
      if let active = lowest.activeUnits, let units = run.units { text += ", with \(active) of \(units) units active" }
      text += "."
      if let kept = run.kept, kept.epoch != lowest.epoch {
        let metric = run[setting: "monitor.metric"] ?? "neg_elbo"
        let rule = metric == "neg_elbo" ? "the best of those that were kept" : "the best by \(metric.printable)"
        text += " checkpoints/best is epoch \(kept.epoch), \(rule), with \(kept.valid.negativeELBO, .typeset)."
      }
    }
    sentence = text
    let advice = findings.compactMap(\.advice).prefix(2)
    next = advice.isEmpty ? "nothing calls for a change" : advice.joined(separator: "; then ")
  }

  /// The state of the run as a short phrase.
  static func word(_ run: RunRecord) -> String {
    switch run.standing() {
    case .finished(let isEarly): isEarly ? "finished early" : "finished"
    case .stopped: "stopped"
    case .failed: "failed"
    case .going: "going"
    case .cutOff: "cut off"
    }
  }

  /// The state of the run as the beginning of a sentence.
  static func state(_ run: RunRecord) -> String {
    let reached = run.epochs.last?.epoch ?? run.status?.epoch ?? 0
    let planned = run[setting: "train.max_epochs"].flatMap(Int.init)
    let place: String
    if reached == 0, let step = run.status?.step, step > 0 {
      place = "\(counted(step, "step")), within the first" + (planned.map { " of \($0) epochs" } ?? " epoch")
    } else {
      place = (planned.map { $0 == reached ? "\(reached)" : "\(reached) of \($0)" } ?? "\(reached)") + " epochs"
    }
    switch run.standing() {
    case .finished(let isEarly):
      return isEarly ? "Finished early, by monitor.patience, after \(place)" : "Finished after \(place)"
    case .stopped(let reason):
      let why =
        ["signal": "by a signal", "max_time": "when its time was up", "collapse": "by the collapse of its posterior"][
          reason] ?? "(\(reason.printable))"
      return "Stopped \(why) after \(place)"
    case .failed: return "Failed after \(place)"
    case .going: return "Still training, after \(place)"
    case .cutOff: return "Cut off after \(place)"
    }
  }
}

/// The trend of the validation loss.
enum Trend: Equatable {
  case unknown
  /// The loss fell by `by` nats over the last `over` epochs.
  case falling(by: Double, over: Int)
  case settled
  /// The loss has been rising since an epoch. `isLearned`: the loss of the training samples continued to fall.
  case rising(since: Int, by: Double, isLearned: Bool)

  /// Judges by means over a fifth of the epochs. A change counts if it exceeds both 1 % of the total improvement and
  /// three standard errors, which chance alone rarely does.
  init(_ run: RunRecord) {
    let rows = run.epochs.filter { $0.valid.negativeELBO.isFinite }, values = rows.map(\.valid.negativeELBO)
    guard values.count >= 5, let lowest = values.min() else {
      self = .unknown
      return
    }
    let window = max(3, values.count / 5), gain = 0.01 * (values[0] - lowest)
    let means = (0...values.count - window).map { values[$0..<$0 + window].reduce(0, +) / Double(window) }
    let last = means[means.count - 1], before = means[max(0, means.count - 1 - window)]
    let best = means.indices.min { means[$0] < means[$1] } ?? 0
    let error = Trend.scatter(values.suffix(2 * window)) * (2 / Double(window)).squareRoot()
    let least = max(gain, 3 * error)
    if best + window < means.count, last - means[best] > least {
      let valley = (best..<best + window).min { values[$0] < values[$1] } ?? best
      let train = rows.map(\.train.negativeELBO), then = train[best..<best + window], now = train.suffix(window)
      // If a training loss is not finite, this is false.
      let isWorse = now.reduce(0, +) > then.reduce(0, +)
      self = .rising(since: rows[valley].epoch, by: last - means[best], isLearned: !isWorse)
    } else if before - last > least {
      self = .falling(by: before - last, over: min(window, means.count - 1))
    } else {
      self = .settled
    }
  }

  /// Returns the standard deviation of values about a slowly varying curve, estimated from their second differences.
  private static func scatter(_ values: ArraySlice<Double>) -> Double {
    var squares = 0.0
    for i in values.indices.dropFirst().dropLast() {
      let bend = values[i + 1] - 2 * values[i] + values[i - 1]
      squares += bend * bend
    }
    return (squares / (6 * Double(values.count - 2))).squareRoot()
  }

  /// Returns the random variation of the loss in the last epochs of a run; nil if there are too few.
  static func scatter(_ run: RunRecord) -> Double? {
    let values = run.epochs.map(\.valid.negativeELBO).filter(\.isFinite)
    return values.count < 5 ? nil : scatter(values.suffix(max(6, 2 * values.count / 5)))
  }

  var words: String {
    switch self {
    case .unknown: ", too few to judge by"
    case .falling: ", with validation still falling"
    case .settled: ", with validation converged"
    case .rising(let since, _, _): ", with validation rising again since epoch \(since)"
    }
  }
}

extension RunRecord {
  /// Number of latent units, as measured or else as configured.
  var units: Int? {
    metrics.klPerUnit.isEmpty ? self[setting: "model.latent"].flatMap(Int.init) : metrics.klPerUnit.count
  }

  func number(_ key: String) -> Double? { self[setting: key].flatMap(Double.init) }
}
