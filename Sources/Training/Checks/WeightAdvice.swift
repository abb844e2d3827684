import RunConfiguration
import Settings

/// Settings that increase or decrease the weight of the KL.
package struct WeightAdvice {
  package let settings: [String]
  package let note: String?

  /// Derives the settings.
  ///
  /// - Parameter beta: The desired weight relative to the sum of log p(x | z), for fixed schedules.
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
      (settings, note) = (sum + ["objective.beta.end=\(beta, .decimal)"], nil)
    }
  }

  /// Advice for a weight above the current one: the value for the task, or 1.
  package static func more(_ configuration: Configuration, now weight: Double) -> WeightAdvice {
    let task = configuration.objective.task.beta ?? 1
    return WeightAdvice(configuration, beta: task > weight ? task : 1, isMore: true)
  }

  /// Advice for a weight below the current one: the value for the task, half of the current weight, or 1.
  package static func less(_ configuration: Configuration, now weight: Double) -> WeightAdvice {
    let task = configuration.objective.task.beta ?? 1
    return WeightAdvice(configuration, beta: task < weight ? task : weight > 2 ? weight / 2 : 1, isMore: false)
  }
}
