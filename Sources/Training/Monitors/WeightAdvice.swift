import RunConfiguration
import Settings

/// What to set so that the KL weighs more or less.
package struct WeightAdvice {
  package let settings: [String]
  package let note: String?

  /// - beta: the weight that is wanted against the sum of log p(x | z), where a schedule has one.
  package init(_ configuration: Configuration, beta: Double, isMore: Bool) {
    let objective = configuration.objective
    switch objective.betaSchedule {
    case .geco:
      (settings, note) = ([], "a \(isMore ? "higher" : "lower") objective.beta.target: geco answers to it alone")
    case .controlvae, .capacity:
      (settings, note) = (
        [],
        "a \(isMore ? "lower" : "higher") objective.beta.target: \(objective.betaSchedule.rawValue) answers to it alone"
      )
    case .constant, .linear, .cyclical, .sigmoid:
      let sum = objective.reconstruction == .mean ? ["objective.reconstruction=sum"] : []
      (settings, note) = (sum + ["objective.beta.end=\(decimalText(beta))"], nil)
    }
  }

  /// More than now: what the task has, or 1.
  package static func more(_ configuration: Configuration, now weight: Double) -> WeightAdvice {
    let task = configuration.objective.task.beta ?? 1
    return WeightAdvice(configuration, beta: task > weight ? task : 1, isMore: true)
  }

  /// Less than now: what the task has, or 1, or half.
  package static func less(_ configuration: Configuration, now weight: Double) -> WeightAdvice {
    let task = configuration.objective.task.beta ?? 1
    return WeightAdvice(configuration, beta: task < weight ? task : weight > 2 ? weight / 2 : 1, isMore: false)
  }
}
