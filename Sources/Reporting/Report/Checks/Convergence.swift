import Kernels
import Settings
import Training

/// The trend of the validation loss.
struct Convergence: Check {
  func findings(in run: RunRecord) -> [Finding] {
    switch Trend(run) {
    case .unknown: return []
    case .settled: return [Finding(.ok, "convergence", "validation has stopped falling")]
    case .falling(let nats, let epochs):
      let words = "validation still fell, by \(nats, .typeset) nats in \(epochs) epochs"
      return [Finding(.ok, "convergence", words, advice: wayOn(run))]
    case .rising(let since, let nats, isLearned: false):
      let words = "−ELBO is \(nats, .typeset) nats above where it was around epoch \(since), in training too"
      guard let beta = run.epochs.last?.beta, beta > 1 else {
        let advice = "use checkpoints/best, or a lower optimizer.learning_rate"
        return [Finding(.warning, "convergence", words, advice: advice)]
      }
      return [Finding(.ok, "convergence", words + ": a beta of \(beta, .typeset) trades it for a smaller KL")]
    case .rising(let since, let nats, isLearned: true):
      let words = "validation is \(nats, .typeset) nats above where it was around epoch \(since)"
      let best = "use checkpoints/best" + (run.kept.map { " (epoch \($0.epoch))" } ?? "")
      let limit =
        run.number("monitor.patience") == 0
        ? "set monitor.patience, or train no longer than \(since) epochs" : "train no longer than \(since) epochs"
      return [Finding(.warning, "overfitting", words, advice: "\(best); \(limit)")]
    }
  }

  /// Advice on how to continue a run that ended too soon; nil for a run that has not finished.
  private func wayOn(_ run: RunRecord) -> String? {
    guard case .finished(let isEarly) = run.standing() else { return nil }
    guard isEarly else { return "train longer: raise train.max_epochs and run the same command" }
    let patience = run[setting: "monitor.patience"].map { " (now \($0.printable))" } ?? ""
    return "wait longer: raise monitor.patience\(patience) and run the same command"
  }
}
