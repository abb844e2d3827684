import Settings

/// Warns if the KL reaches its full weight so late that little training remains with it.
///
/// For comparison, the rise takes half of a cycle in Fu et al., "Cyclical annealing schedule", NAACL 2019, and a tenth
/// of the training in Sonderby et al., "Ladder VAE", 2016.
package struct WarmUpLength: Check {
  package static let name = "warm-up"
  private static let longest = 0.5

  package init() {}

  package func findings(in facts: ConfigurationFacts) -> [Finding] {
    let objective = facts.configuration.objective
    guard [.linear, .sigmoid].contains(objective.betaSchedule), objective.betaStart != objective.betaEnd,
      let schedule = try? BetaSchedule(objective, stepsPerEpoch: facts.stepsPerEpoch, totalSteps: facts.totalSteps)
    else { return [] }
    let share = schedule.warmup / Double(max(1, facts.totalSteps))
    guard share > WarmUpLength.longest else { return [] }
    return [
      Finding(
        .warning, WarmUpLength.name,
        "beta rises for \(100 * share, .figures) % of the training, and has its full weight for the rest only",
        settings: ["objective.beta.warmup=0"], advice: "which is the first 30 %")
    ]
  }
}
