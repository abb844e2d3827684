import Foundation
import Training

/// What a run comes to: how it ended, how its validation went, and what there is to say about it.
package struct Verdict: Sendable {
  /// Two or three sentences in plain words: what happened, and how good it is.
  package var sentence: String
  /// What to do next.
  package var next: String
  /// The gravest first.
  package var findings: [Finding]

  /// Looks at a run and says what it finds. Another examination is one more in `examiners`.
  package typealias Examiner = @Sendable (RunRecord) -> [Finding]

  package static let examiners: [Examiner] = [
    examineEnd, examineTrend, examineUnits, examineSigns, examineWarmUp, examineSteps, examineRanks, examineFiles,
  ]

  package init(_ run: RunRecord) {
    let found = Verdict.examiners.flatMap { $0(run) }
    findings = found.enumerated().sorted { ($1.element.level, $0.offset) < ($0.element.level, $1.offset) }.map(
      \.element)
    let trend = Trend(run), state = Verdict.state(run)
    let hasCollapsed = found.contains { $0.level == .problem && $0.check == "collapse" }
    let quality = hasCollapsed ? ", and the posterior has collapsed" : trend.words
    var text = state + quality + "."
    if let best = run.best {
      text += " The best validation −ELBO is \(NumberText.figure(best.valid.negativeELBO)) nats per sample"
      if let bits = best.validBits { text += " (\(NumberText.figure(bits)) bits per dimension)" }
      text += ", at epoch \(best.epoch)"
      if let active = best.activeUnits, let units = run.units { text += ", with \(active) of \(units) units active" }
      text += "."
    }
    sentence = text
    let advice = findings.compactMap(\.advice).prefix(2)
    next = advice.isEmpty ? "nothing calls for a change" : advice.joined(separator: "; then ")
  }

  /// How it stands, in a word.
  static func word(_ run: RunRecord) -> String {
    switch run.standing() {
    case .finished: "finished"
    case .stopped: "stopped"
    case .failed: "failed"
    case .going: "going"
    case .cutOff: "cut off"
    }
  }

  /// How it stands, as the beginning of a sentence.
  static func state(_ run: RunRecord) -> String {
    let reached = run.epochs.last?.epoch ?? run.status?.epoch ?? 0
    let planned = run[setting: "train.max_epochs"].flatMap(Int.init)
    let place =
      planned.map { $0 == reached ? "\(reached) epochs" : "\(reached) of \($0) epochs" } ?? "\(reached) epochs"
    switch run.standing() {
    case .finished: return "Finished after \(place)"
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

/// Where validation is heading.
enum Trend: Equatable {
  case unknown
  /// By so many nats over the last so many epochs.
  case falling(by: Double, over: Int)
  case settled
  case rising(since: Int, by: Double)

  /// Judged by the last fifth of the epochs, against 1 % of all that has been gained.
  init(_ run: RunRecord) {
    let rows = run.epochs.filter { $0.valid.negativeELBO.isFinite }, values = rows.map(\.valid.negativeELBO)
    guard values.count >= 5, let best = values.indices.min(by: { values[$0] < values[$1] }) else {
      self = .unknown
      return
    }
    let window = max(3, values.count / 5), threshold = 0.01 * (values[0] - values[best])
    let ending = values.suffix(min(3, window)), rise = ending.reduce(0, +) / Double(ending.count) - values[best]
    let before = values.dropLast(window).min() ?? values[0]
    if values.count - 1 - best >= window, rise > threshold {
      self = .rising(since: rows[best].epoch, by: rise)
    } else if before - values[best] > threshold {
      self = .falling(by: before - values[best], over: window)
    } else {
      self = .settled
    }
  }

  var words: String {
    switch self {
    case .unknown: ", too few to judge by"
    case .falling: ", with validation still falling"
    case .settled: ", with validation converged"
    case .rising(let since, _): ", with validation rising again since epoch \(since)"
    }
  }
}

extension RunRecord {
  /// Units of the latent space, by what was measured or else configured.
  var units: Int? {
    metrics.klPerUnit.isEmpty ? self[setting: "model.latent"].flatMap(Int.init) : metrics.klPerUnit.count
  }

  func number(_ key: String) -> Double? { self[setting: key].flatMap(Double.init) }
}
