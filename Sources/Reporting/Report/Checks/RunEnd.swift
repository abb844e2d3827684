import Kernels
import Training

/// How the run ended, unless it is still going or has finished.
struct RunEnd: Check {
  func findings(in run: RunRecord) -> [Finding] {
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
}
