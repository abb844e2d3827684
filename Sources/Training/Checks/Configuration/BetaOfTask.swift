import Settings

/// Warns if beta is outside the range that suits the task or, if no task is set, outside the range that suits any task.
package struct BetaOfTask: Check {
  package init() {}

  package func findings(in facts: ConfigurationFacts) -> [Finding] {
    let objective = facts.configuration.objective, range = objective.task.betas
    // `MeanReconstruction` reports a reconstruction term that is averaged over dimensions.
    guard facts.finalBeta != nil, objective.reconstruction == .sum, !range.contains(objective.betaEnd) else {
      return []
    }
    let task = objective.task == .none ? "any task" : "the task \(objective.task.rawValue)"
    return [
      Finding(
        .warning, "beta",
        "objective.beta.end is \(objective.betaEnd, .figures), and \(task) takes \(range.lowerBound, .figures) to "
          + "\(range.upperBound, .figures): \(objective.task.reason)",
        settings: ["objective.beta.end=\(objective.task.beta ?? 1, .decimal)"])
    ]
  }
}
