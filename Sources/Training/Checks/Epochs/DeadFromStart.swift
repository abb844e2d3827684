import Settings

/// No unit has ever been active, so z has never carried information.
///
/// A unit is active if Var_x[mu] > 0.01 (Burda et al., "Importance weighted autoencoders", ICLR 2016). If the posterior
/// means spread out at all, they do so within some hundred updates (`Coordinator.settlingSteps`).
struct DeadFromStart: Check {
  static let name = "dead from the start"

  func findings(in facts: EpochFacts) -> [Finding] {
    let history = facts.history
    guard let point = history.last, history.recent.count >= 3, point.step >= Coordinator.settlingSteps,
      history.mostActive == 0
    else { return [] }
    let likely = CollapseCause(facts.configuration, beta: point.beta, elements: facts.elements)
    return [
      Finding(
        .problem, Self.name,
        "no unit has been active in \(point.epoch) epochs (KL \(point.valid.kl, .figures) nats): \(likely.cause)",
        settings: likely.settings, advice: likely.note)
    ]
  }
}
