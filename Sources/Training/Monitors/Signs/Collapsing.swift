/// The posterior is on its way to the prior.
///
/// I(x; z) <= KL: below 1 nat, z tells fewer than e kinds of samples apart, whatever the decoder does with it. Small data
/// may need no more, and a healthy model of 50 units ends with 15: three of four must have gone, or nearly all nats.
struct Collapsing: Sign {
  let name = "collapsing"
  let isOfCollapse = true
  private static let peak = 2.0, floor = 1.0, none = 0.1, part = 4

  func examine(_ history: EpochHistory, _ context: SignContext) -> Finding? {
    guard let point = history.last, let peak = history.highestKL, let most = history.mostActive,
      peak >= Collapsing.peak, point.valid.kl < Collapsing.floor,
      point.valid.kl < Collapsing.none || Collapsing.part * point.activeUnits <= most
    else { return nil }
    let likely = CollapseCause(context.configuration, beta: point.beta, elements: context.elements)
    return Finding(
      .warning, name,
      "the KL has fallen from \(figures(peak)) to \(figures(point.valid.kl)) nats, and \(point.activeUnits) of up to "
        + "\(most) units are active: \(likely.cause)",
      settings: likely.settings, advice: likely.note)
  }
}
