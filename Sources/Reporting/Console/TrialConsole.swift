import Kernels
import Settings
import Training

/// Shows what a trial (`--fast-dev-run`) has done and how long each part took. Rank 0 only.
package final class TrialConsole: TrainingObserver {
  private let began = ContinuousClock.now
  private var last = ContinuousClock.now
  private var hasPictures = false
  private var hasWarned = false

  package init() {}

  package func observe(_ event: TrainingEvent) {
    switch event {
    case .started(let report):
      say("setup", "\(report.dataName) \(report.shape), \(report.parameters) parameters, \(report.ranks) ranks")
    case .step(let report):
      say("step", "\(report.samples) samples, -elbo \(report.train.negativeELBO, .fixed(2)) nats")
    case .epoch(let report):
      say("validation", "-elbo \(report.valid.means.negativeELBO, .fixed(2)) nats on one chunk")
    case .pictures:
      hasPictures = true
    case .checkpoint(let step, _, let seconds):
      // Another observer writes the pictures and has finished when the next event arrives.
      if hasPictures { say("pictures", "written", until: .now - .seconds(seconds)) }
      hasPictures = false
      say("checkpoint", "of step \(step)")
    case .warning(let message), .collapse(_, _, let message):
      warn(message)
    case .finding(let report): warn(report.finding.text)
    case .treatment: break
    case .rollback(let report):
      warn("step \(report.failingStep) was not finite: first in \(report.operation)")
    case .embedding: break
    case .stopped:
      let seconds = "\((ContinuousClock.now - began) / .seconds(1), .fixed(2))"
      Output.say((hasWarned ? "see the warnings" : "all works") + "  (\(seconds) s, nothing kept)\n")
    }
  }

  private func say(_ what: String, _ text: String, until now: ContinuousClock.Instant = .now) {
    let milliseconds = max(0, (now - last) / .milliseconds(1))
    last = now
    Output.say("\(what.padding(to: 11)) ok  \(milliseconds, .fixed(0)) ms  \(text)\n")
  }

  private func warn(_ message: String) {
    // The warning may be about pictures that could not be written.
    (hasPictures, hasWarned) = (false, true)
    Output.complain("vae-dist: warning: \(message)\n")
  }
}
