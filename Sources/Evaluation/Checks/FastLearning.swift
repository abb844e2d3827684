import Settings
import Training

/// The learning rate is too high: training was rolled back repeatedly because steps were not finite, or the posterior
/// collapsed at ten times Adam's default rate of 1e-3 (Kingma and Ba, 2015) or more.
struct FastLearning: Check {
  private static let fastest = 0.01

  func findings(in facts: EvaluationFacts) -> [Finding] {
    let rate = facts.configuration.optimizer.learningRate, rollbacks = facts.training?.coordinator.rollbacks ?? 0
    let isFatal = facts.isCollapsed && facts.weight <= 1 && rate >= FastLearning.fastest
    guard isFatal || rollbacks > 1 else { return [] }
    let undone = rollbacks > 1 ? ", and \(rollbacks) rollbacks undid steps that were not finite" : ""
    return [
      Finding(
        isFatal ? .problem : .warning, "learning rate too high",
        "the learning rate is \(rate, .figures)\(undone)" + (isFatal ? ": \(facts.collapse)" : ""),
        settings: ["optimizer.learning_rate=\(isFatal ? 0.001 : rate / 2, .decimal)"],
        advice: isFatal ? nil : "or look at the samples that the rollbacks name")
    ]
  }
}
