import Kernels
import Persistence
import Training

/// Examinations of a run's record. Each returns no finding if it has no data to judge by.
extension Verdict {
  @Sendable static func examineEnd(_ run: RunRecord) -> [Finding] {
    switch run.standing() {
    case .stopped(let reason) where ["signal", "max_time"].contains(reason):
      return [Finding(.warning, "end", "it has not reached its planned end", advice: "run the same command to go on")]
    case .failed(let message):
      return [
        Finding(.problem, "failure", message.printable, advice: "mend the cause, then run the same command to go on")
      ]
    case .cutOff(let since):
      let words = since.map { "no sign of life since \($0.printable)" } ?? "it does not say how it ended"
      return [Finding(.problem, "end", words, advice: "run the same command to go on from its last checkpoint")]
    case .finished, .going, .stopped: return []
    }
  }

  @Sendable static func examineTrend(_ run: RunRecord) -> [Finding] {
    switch Trend(run) {
    case .unknown: return []
    case .settled: return [Finding(.ok, "convergence", "validation has stopped falling")]
    case .falling(let nats, let epochs):
      let words = "validation still fell, by \(NumberText.figure(nats)) nats in \(epochs) epochs"
      return [Finding(.ok, "convergence", words, advice: wayOn(run))]
    case .rising(let since, let nats, isLearned: false):
      let words = "−ELBO is \(NumberText.figure(nats)) nats above where it was around epoch \(since), in training too"
      guard let beta = run.epochs.last?.beta, beta > 1 else {
        let advice = "use checkpoints/best, or a lower optimizer.learning_rate"
        return [Finding(.warning, "convergence", words, advice: advice)]
      }
      return [Finding(.ok, "convergence", words + ": a beta of \(NumberText.figure(beta)) trades it for a smaller KL")]
    case .rising(let since, let nats, isLearned: true):
      let words = "validation is \(NumberText.figure(nats)) nats above where it was around epoch \(since)"
      let best = "use checkpoints/best" + (run.kept.map { " (epoch \($0.epoch))" } ?? "")
      let limit =
        run.number("monitor.patience") == 0
        ? "set monitor.patience, or train no longer than \(since) epochs" : "train no longer than \(since) epochs"
      return [Finding(.warning, "overfitting", words, advice: "\(best); \(limit)")]
    }
  }

  /// Advice on how to continue a run that ended too soon; nil for a run that has not finished.
  private static func wayOn(_ run: RunRecord) -> String? {
    guard case .finished(let isEarly) = run.standing() else { return nil }
    guard isEarly else { return "train longer: raise train.max_epochs and run the same command" }
    let patience = run[setting: "monitor.patience"].map { " (now \($0.printable))" } ?? ""
    return "wait longer: raise monitor.patience\(patience) and run the same command"
  }

  @Sendable static func examineUnits(_ run: RunRecord) -> [Finding] {
    if let collapse = run.events.last(where: { $0.kind == "collapse" }), run.epochs.last?.activeUnits ?? 0 == 0 {
      let lines = collapse.message.split(separator: "\n").map { $0.drop { $0 == " " } }
      let fix = lines.first { $0.hasPrefix("fix: ") }.map { String($0.dropFirst(5)).printable }
      let rest = lines.filter { !$0.hasPrefix("fix: ") }.map { $0.hasSuffix(".") ? $0.dropLast() : $0 }
      let words = rest.joined(separator: "; ").replacing("posterior collapse: ", with: "").printable
      return [Finding(.problem, "collapse", words, advice: fix.map { $0.hasPrefix("--set") ? $0 : "set " + $0 })]
    }
    guard let last = run.epochs.last, let active = last.activeUnits, let units = run.units, units > 1 else { return [] }
    if active == 0 {
      let words = "none of \(units) units is active: the decoder ignores z, so far"
      return [Finding(run.epochs.count < 3 ? .ok : .warning, "units", words)]
    }
    if 2 * active < units {
      let words = "\(active) of \(units) units are active: a smaller model.latent would do as well"
      return [Finding(.ok, "units", words)]
    }
    return [Finding(.ok, "units", "\(active) of \(units) units are active")]
  }

  /// Findings from warnings that training gave about its settings and epochs, unless another examiner judges the same
  /// matter.
  @Sendable static func examineSigns(_ run: RunRecord) -> [Finding] {
    let collapses = ["dead from the start", "collapsing"], others = ["overfitting", "slow rank", "warm-up"]
    let hasCollapsed = run.events.contains { $0.kind == "collapse" }
    var said: [Finding] = []
    for event in run.events {
      guard var finding = event.finding, !others.contains(finding.check),
        !(hasCollapsed && collapses.contains(finding.check))
      else { continue }
      if let epoch = event.epoch, epoch > 0 {
        // An old warning is only listed among the events.
        guard epoch + 10 >= run.epochs.last?.epoch ?? epoch else { continue }
        finding = Finding(finding.level, finding.check, "at epoch \(epoch), \(finding.message)", advice: finding.advice)
      }
      said.removeAll { $0.check == finding.check }
      said.append(finding)
    }
    return said
  }

  @Sendable static func examineWarmUp(_ run: RunRecord) -> [Finding] {
    guard case .finished = run.standing(), let end = run.number("objective.beta.end"), let last = run.epochs.last,
      ["linear", "sigmoid"].contains(run[setting: "objective.beta.schedule"]), last.beta < end * 0.999
    else { return [] }
    let words =
      "training ended within the warm-up: beta was \(NumberText.figure(last.beta)) of \(NumberText.figure(end))"
    return [Finding(.warning, "warm-up", words, advice: "set a shorter objective.beta.warmup, or train longer")]
  }

  @Sendable static func examineSteps(_ run: RunRecord) -> [Finding] {
    let rollbacks = run.events.count { $0.kind == "rollback" }
    guard rollbacks > 0 else { return [] }
    let words =
      rollbacks == 1
      ? "1 rollback: what was not finite was undone, and the learning rate halved"
      : "\(rollbacks) rollbacks: what was not finite was undone, and the learning rate halved each time"
    let advice = "look at the samples that are named under Events, or lower optimizer.learning_rate"
    return [Finding(.warning, "steps", words, advice: advice)]
  }

  @Sendable static func examineRanks(_ run: RunRecord) -> [Finding] {
    let rows = run.epochs.filter { $0.ranks > 1 && $0.waitShare.isFinite }
    guard !rows.isEmpty else { return [] }
    let share = rows.map(\.waitShare).reduce(0, +) / Double(rows.count)
    let named = Dictionary(grouping: rows.compactMap(\.slowestRank)) { $0 }.max { $0.value.count < $1.value.count }
    guard share > 0.1, let named else {
      return [Finding(.ok, "ranks", "ranks waited for one another \(NumberText.percent(share)) of their time")]
    }
    // Ranks of equal speed take turns at being the slowest, and wait for something that slows all of them.
    let busy = run.metrics.rankSeconds?.busy ?? [], mean = busy.reduce(0, +) / Double(max(1, busy.count))
    let standsOut = busy.count < 2 || (busy.max() ?? 0) > 1.2 * mean
    guard standsOut, 3 * named.value.count >= 2 * rows.count else {
      let words = "ranks waited \(NumberText.percent(share)) of their time, for no rank in particular"
      let advice = "see whether they have a core each (vae-dist doctor), or use fewer ranks or a larger batch"
      return [Finding(.warning, "ranks", words, advice: advice)]
    }
    let words =
      "ranks waited \(NumberText.percent(share)) of their time; rank \(named.key) was the slowest in "
      + "\(named.value.count) of \(rows.count) epochs"
    return [Finding(.warning, "ranks", words, advice: "look at rank \(named.key)'s host with vae-dist doctor")]
  }

  @Sendable static func examineFiles(_ run: RunRecord) -> [Finding] {
    run.damage.map { Finding(.warning, "files", $0.printable) }
  }
}
