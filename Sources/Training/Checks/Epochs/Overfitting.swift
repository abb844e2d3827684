import Settings

/// The model improves on training samples and becomes worse on validation samples.
///
/// The check compares the -ELBO of epochs with the same beta. The best epoch must be long past, and the increase since
/// then must exceed a tenth of the total improvement and four times the scatter between epochs. For comparison,
/// Prechelt, "Early stopping - but when?", 1998, waits for strips of 5 epochs.
package struct Overfitting: Check {
  package static let name = "overfitting"
  private static let strip = 5, part = 0.1, scatters = 4.0

  package init() {}

  package func findings(in facts: EpochFacts) -> [Finding] {
    let history = facts.history
    guard !facts.configuration.objective.betaSchedule.isControlled, let first = history.first,
      let best = history.best, let ending = history.last(3), let point = ending.last,
      point.epoch - best.epoch >= max(Overfitting.strip, point.epoch / 5), best.epoch > first.epoch
    else { return [] }
    let mean = ending.reduce(0) { $0 + $1.valid.negativeELBO } / Double(ending.count)
    let rise = mean - best.valid.negativeELBO, gain = first.valid.negativeELBO - best.valid.negativeELBO
    guard gain > 0, rise > max(Overfitting.part * gain, Overfitting.scatters * history.scatter),
      point.train.negativeELBO < best.train.negativeELBO
    else { return [] }
    return [
      Finding(
        .warning, Self.name,
        "since epoch \(best.epoch) -ELBO has risen by \(rise, .figures) nats on validation samples, and fallen by "
          + "\(best.train.negativeELBO - point.train.negativeELBO, .figures) on training samples",
        settings: ["monitor.patience=\(Overfitting.strip)"],
        advice: "checkpoints/best has epoch \(best.epoch) or the like; else more data, or a model.dropout of 0.2")
    ]
  }
}
