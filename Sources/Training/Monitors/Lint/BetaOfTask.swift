import Settings

/// Beta is outside of what the task can be served with; without a task, of what any is.
package struct BetaOfTask: LintRule {
  package init() {}

  package func examine(_ facts: LintFacts) -> Finding? {
    let objective = facts.configuration.objective, range = objective.task.betas
    // A mean has a finding of its own.
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
