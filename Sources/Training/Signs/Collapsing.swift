/// The posterior is on its way to the prior.
///
/// I(x; z) <= KL: below 1 nat, z tells fewer than e kinds of samples apart, whatever the decoder does with it. Units
/// that switch off are no sign by themselves: a healthy model of 50 units ends with 15.
struct Collapsing: Sign {
  let name = "collapsing"
  let isOfCollapse = true
  private static let peak = 2.0, floor = 1.0

  func examine(_ history: EpochHistory, _ context: SignContext) -> Finding? {
    guard let point = history.last, let peak = history.highestKL, peak >= Collapsing.peak,
      point.valid.kl < Collapsing.floor
    else { return nil }
    let likely = CollapseCause(context.configuration, beta: point.beta, elements: context.elements)
    return Finding(
      .problem, name,
      "the KL has fallen from \(figures(peak)) to \(figures(point.valid.kl)) nats, and \(point.activeUnits) of up to "
        + "\(history.mostActive ?? 0) units are active: \(likely.cause)",
      advice: likely.fix)
  }
}
