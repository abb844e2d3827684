import RunConfiguration
import Foundation
import Kernels
import Settings
import Training

/// Shows the progress of a run: on a terminal as a line that is rewritten, elsewhere as occasional lines. Rank 0 only.
package final class ProgressConsole: TrainingObserver {
  private let style: ProgressStyle
  private let isVerbose: Bool
  private var total = 0
  private var epochs = 0
  private var monitor = Configuration().monitor
  private var units = 0
  private var active: Int?
  private var start = ContinuousClock.now
  private var startStep = 0
  private var last = ContinuousClock.now
  private var pending: EpochReport?
  private var barIsDrawn = false
  private var rate = 0.0
  private var rateMark: (step: Int, time: ContinuousClock.Instant, samples: Int) = (0, .now, 0)
  private var samples = 0

  package init(style: ProgressStyle, isVerbose: Bool) {
    self.style = style == .auto ? (Terminal.size != nil ? .bar : .plain) : style
    self.isVerbose = isVerbose
  }

  package func observe(_ event: TrainingEvent) {
    switch event {
    case .started(let report): started(report)
    case .step(let report): step(report)
    case .epoch(let report): epoch(report)
    case .checkpoint(let step, _, let seconds):
      if isVerbose { say("checkpoint at step \(step) (\(seconds * 1_000, .fixed(0)) ms)") }
    case .rollback(let report):
      let samples = report.samples.prefix(8).map(String.init).joined(separator: ", ")
      warn(
        "step \(report.failingStep) was not finite: first in \(report.operation)"
          + (report.rank < 0 ? "" : ", rank \(report.rank), microbatch \(report.microbatch)")
          + "\(samples.isEmpty ? "" : ", samples \(samples)"). Rolled back to step \(report.restoredStep); "
          + "learning rate x \(report.learningRateFactor, .decimal), new noise (attempt \(report.attempt))")
    case .collapse(let epoch, _, let message): warn("epoch \(epoch): \(message)")
    case .finding(let report):
      warn((report.epoch > 0 ? "epoch \(report.epoch): " : "") + report.finding.text)
    case .treatment(let report):
      warn(
        "epoch \(report.epoch): \(report.response.rawValue), \(report.number) of \(report.most): \(report.message)")
    case .warning(let message): warn(message)
    case .stopped(let reason, let step, let epoch): stopped(reason, step, epoch)
    case .pictures, .embedding: break
    }
  }

  private func started(_ report: StartReport) {
    total = report.totalSteps
    epochs = report.configuration.train.maxEpochs
    monitor = report.configuration.monitor
    units = report.configuration.model.latent
    startStep = report.resumedFrom ?? 0
    start = .now
    rateMark = (startStep, .now, 0)
    guard style != .none, style != .json else { return }
    let plan = report.plan
    let perRank =
      plan.slots % report.ranks == 0
      ? "\(plan.slots / report.ranks)"
      : "\(plan.slots / report.ranks)-\(plan.slots / report.ranks + 1)"
    say(
      "data \(report.dataName) \(report.shape)  train \(report.trainSamples)  valid \(report.validSamples)  "
        + "parameters \(report.parameters)")
    say(
      "batch \(plan.batchSize) = \(plan.slots) microbatches of \(plan.microbatch)  ranks \(report.ranks)  "
        + "\(perRank) microbatches a rank  exchange \(report.exchange)")
    if let task = report.configuration.taskText { say("task \(task)") }
    if let step = report.resumedFrom { say("resumed at step \(step)") }
  }

  private func step(_ report: StepReport) {
    samples += report.samples
    guard style == .bar || style == .plain else { return }
    let now = ContinuousClock.now
    guard now - last >= (style == .bar ? .milliseconds(100) : .seconds(5)) else { return }
    last = now
    let text = line(
      epoch: report.epoch + 1, step: report.step, beta: report.beta, recon: report.train.reconstruction,
      kl: report.train.kl, norm: report.gradientNorm, learningRate: report.learningRate,
      rate: currentRate(report.step, now))
    if style == .bar { draw(text) } else { say(text) }
  }

  private func epoch(_ report: EpochReport) {
    active = report.valid.activeUnits
    if style == .json { return say(RunDirectory.line(report)) }
    guard style == .bar || style == .plain else { return }
    let now = ContinuousClock.now
    let text =
      line(
        epoch: report.epoch, step: report.step, beta: report.beta, recon: report.train.reconstruction,
        kl: report.train.kl,
        norm: report.gradientNorm, learningRate: report.learningRate, rate: report.samplesPerSecond)
      + "  valid -elbo \(report.valid.means.negativeELBO, .fixed(2))"
      + (report.bits.map { " (\($0(nats: report.valid.means.negativeELBO), .fixed(3)) bits/dim)" } ?? "")
      + waiting(report)
    if style == .bar {
      guard now - last >= .milliseconds(100) || report.step >= total else { return }
      last = now
      draw(text)
    } else {
      // For short epochs, one line per second is enough.
      guard now - last >= .seconds(1) || report.step >= total || report.epoch == 1 else { return }
      last = now
      say(text)
    }
  }

  /// Names the slowest rank if the waiting time is significant.
  private func waiting(_ report: EpochReport) -> String {
    guard report.ranks > 1, report.waitShare >= 0.03 else { return "" }
    return "  wait \(report.waitShare * 100, .fixed(0))% (slowest rank \(report.slowestRank) on \(report.slowestHost))"
  }

  private func stopped(_ reason: StopReason, _ step: Int, _ epoch: Int) {
    guard style != .none, style != .json else { return }
    endBar()
    let time = "\((ContinuousClock.now - start) / .seconds(1), .clock)"
    switch reason {
    case .finished: say("done: \(epoch) epochs, \(step) steps in \(time)")
    case .stoppedEarly:
      say(
        "done: \(monitor.metric.rawValue) of validation did not improve for \(monitor.patience) epochs: \(epoch) "
          + "epochs, \(step) steps in \(time); checkpoints/best has the weights to use")
    case .signalled: say("stopped by a signal at step \(step) with a checkpoint; run the same command to resume")
    case .maxTime: say("stopped at its time limit at step \(step) with a checkpoint; run the same command to resume")
    case .collapsed: say("stopped at step \(step): the posterior has collapsed")
    }
  }

  private func currentRate(_ step: Int, _ now: ContinuousClock.Instant) -> Double {
    let seconds = (now - rateMark.time) / .seconds(1)
    if seconds > 0.5 {
      rate = Double(samples - rateMark.samples) / seconds
      rateMark = (step, now, samples)
    }
    return rate
  }

  private func line(
    epoch: Int, step: Int, beta: Double, recon: Double, kl: Double, norm: Double, learningRate: Double, rate: Double
  ) -> String {
    let elapsed = (ContinuousClock.now - start) / .seconds(1)
    let done = Double(step - startStep)
    let left = done > 0 ? elapsed / done * Double(total - step) : 0
    let rounded = Double("\(learningRate, .significant(3))") ?? learningRate
    let units = active.map { "  active \($0)/\(self.units)" } ?? ""
    return "epoch \(epoch)/\(epochs)  step \(step)/\(total)  beta \(beta, .fixed(2))  recon \(recon, .fixed(2))  "
      + "kl \(kl, .fixed(2))\(units)  gnorm \(norm, .fixed(2))  lr \(rounded, .decimal)  "
      + "\(rate, .short) samples/s  eta \(left, .clock)"
  }

  private func draw(_ text: String) {
    let columns = Terminal.size?.columns ?? 0
    let cut = columns > 4 && text.count >= columns ? String(text.prefix(columns - 1)) : text
    Output.say("\r\u{1b}[K" + cut)
    barIsDrawn = true
  }

  private func endBar() {
    if barIsDrawn { Output.say("\n") }
    barIsDrawn = false
  }

  private func say(_ text: String) {
    endBar()
    Output.say(text + "\n")
  }

  private func warn(_ text: String) {
    endBar()
    Output.complain("vae-dist: warning: \(text)\n")
  }
}
