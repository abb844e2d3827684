import Settings
import Training

/// Beta was at its end value for only a small part of the training, so the model was hardly fitted to the final
/// objective.
///
/// Fu et al. (2019) train half of the steps at full weight, and Sonderby et al. (2016) nine tenths. A share below one
/// fifth gives a warning, and a share below one tenth is a problem.
struct LateKL: Check {
  private static let little = 0.2, none = 0.1

  func findings(in facts: EvaluationFacts) -> [Finding] {
    guard let share = facts.settledShare, share < LateKL.little, let training = facts.training else { return [] }
    let objective = facts.configuration.objective
    let evidence =
      "beta was where it is to end (\(objective.betaEnd, .figures)) in \(100 * share, .figures) % of the "
      + "\(facts.step) steps; in the last it was \(facts.beta, .figures)"
    if training.step < training.plannedSteps {
      return [
        Finding(
          .warning, "warm-up not over", "\(evidence), of \(training.plannedSteps) planned",
          advice: "run the same command to go on, or evaluate its last checkpoint")
      ]
    }
    let isCyclical = objective.betaSchedule == .cyclical
    return [
      Finding(
        share < LateKL.none ? .problem : .warning, "warm-up too long", evidence,
        settings: [isCyclical ? "objective.beta.cycle_rise=0.5" : "objective.beta.warmup=0"],
        advice: isCyclical ? nil : "which is the first 30 %; or train longer")
    ]
  }
}
