import Settings
import Training

/// The learning rate is too high: training was rolled back repeatedly because steps were not finite, or the posterior
/// collapsed at ten times Adam's default rate of 1e-3 (Kingma and Ba, 2015) or more.
struct FastLearning: Cause {
  private static let fastest = 0.01

  func examine(_ symptoms: Symptoms) -> Finding? {
    let rate = symptoms.configuration.optimizer.learningRate, rollbacks = symptoms.training?.coordinator.rollbacks ?? 0
    let isFatal = symptoms.isCollapsed && symptoms.weight <= 1 && rate >= FastLearning.fastest
    guard isFatal || rollbacks > 1 else { return nil }
    let undone = rollbacks > 1 ? ", and \(rollbacks) rollbacks undid steps that were not finite" : ""
    return Finding(
      isFatal ? .problem : .warning, "learning rate too high",
      "the learning rate is \(figures(rate))\(undone)" + (isFatal ? ": \(symptoms.collapse)" : ""),
      settings: ["optimizer.learning_rate=\(decimalText(isFatal ? 0.001 : rate / 2))"],
      advice: isFatal ? nil : "or look at the samples that the rollbacks name")
  }
}
