import Settings
import Training

/// Training that ended within the warm-up.
struct UnfinishedWarmUp: Check {
  func findings(in run: RunRecord) -> [Finding] {
    guard case .finished = run.standing(), let end = run.number("objective.beta.end"), let last = run.epochs.last,
      ["linear", "sigmoid"].contains(run[setting: "objective.beta.schedule"]), last.beta < end * 0.999
    else { return [] }
    let words = "training ended within the warm-up: beta was \(last.beta, .typeset) of \(end, .typeset)"
    return [Finding(.warning, "warm-up", words, advice: "set a shorter objective.beta.warmup, or train longer")]
  }
}
