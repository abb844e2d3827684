/// No unit has ever been active, so z has never carried information.
///
/// A unit is active if Var_x[mu] > 0.01 (Burda et al., "Importance weighted autoencoders", ICLR 2016). If the posterior
/// means spread out at all, they do so within some hundred updates (`Coordinator.settlingSteps`).
struct DeadFromStart: Sign {
  let name = "dead from the start"
  let isOfCollapse = true

  func examine(_ history: EpochHistory, _ context: SignContext) -> Finding? {
    guard let point = history.last, history.recent.count >= 3, point.step >= Coordinator.settlingSteps,
      history.mostActive == 0
    else { return nil }
    let likely = CollapseCause(context.configuration, beta: point.beta, elements: context.elements)
    return Finding(
      .problem, name,
      "no unit has been active in \(point.epoch) epochs (KL \(figures(point.valid.kl)) nats): \(likely.cause)",
      settings: likely.settings, advice: likely.note)
  }
}
