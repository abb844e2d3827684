import Settings

/// The posterior is approaching the prior.
///
/// Because I(x; z) <= KL, a KL below 1 nat means that z distinguishes fewer than e kinds of samples, whatever the
/// decoder does. A small data set may need no more, and a healthy model with 50 units can end with 15 active ones. The
/// check therefore requires that three of four units have become inactive, or that the KL is nearly 0.
struct Collapsing: Check {
  static let name = "collapsing"
  private static let peak = 2.0, floor = 1.0, none = 0.1, part = 4

  func findings(in facts: EpochFacts) -> [Finding] {
    let history = facts.history
    guard let point = history.last, let peak = history.highestKL, let most = history.mostActive,
      peak >= Collapsing.peak, point.valid.kl < Collapsing.floor,
      point.valid.kl < Collapsing.none || Collapsing.part * point.activeUnits <= most
    else { return [] }
    let likely = CollapseCause(facts.configuration, beta: point.beta, elements: facts.elements)
    return [
      Finding(
        .warning, Self.name,
        "the KL has fallen from \(peak, .figures) to \(point.valid.kl, .figures) nats, and \(point.activeUnits) of up "
          + "to \(most) units are active: \(likely.cause)",
        settings: likely.settings, advice: likely.note)
    ]
  }
}
