import Training

/// Steps that were not finite.
struct Rollbacks: Check {
  func findings(in run: RunRecord) -> [Finding] {
    let rollbacks = run.events.count { $0.kind == "rollback" }
    guard rollbacks > 0 else { return [] }
    let words =
      rollbacks == 1
      ? "1 rollback: what was not finite was undone, and the learning rate halved"
      : "\(rollbacks) rollbacks: what was not finite was undone, and the learning rate halved each time"
    let advice = "look at the samples that are named under Events, or lower optimizer.learning_rate"
    return [Finding(.warning, "steps", words, advice: advice)]
  }
}
