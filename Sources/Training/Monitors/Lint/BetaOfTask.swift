import Settings

/// Warns if beta is outside the range that suits the task or, if no task is set, outside the range that suits any task.
package struct BetaOfTask: LintRule {
  package init() {}

  package func examine(_ facts: LintFacts) -> Finding? {
    let objective = facts.configuration.objective, range = objective.task.betas
    // `MeanReconstruction` reports a reconstruction term that is averaged over dimensions.
    guard facts.finalBeta != nil, objective.reconstruction == .sum, !range.contains(objective.betaEnd) else {
      return nil
    }
    let task = objective.task == .none ? "any task" : "the task \(objective.task.rawValue)"
    return Finding(
      .warning, "beta",
      "objective.beta.end is \(figures(objective.betaEnd)), and \(task) takes \(figures(range.lowerBound)) to "
        + "\(figures(range.upperBound)): \(objective.task.reason)",
      settings: ["objective.beta.end=\(decimalText(objective.task.beta ?? 1))"])
  }
}
