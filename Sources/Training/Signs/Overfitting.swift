/// Training samples get better, held-out ones worse.
///
/// Judged by -ELBO, which compares whatever beta is; the best epoch must be long past, and more than noise away: a
/// fiftieth of all that was gained (Prechelt, "Early stopping - but when?", 1998, waits for strips of 5 epochs).
package struct Overfitting: Sign {
  package let name = "overfitting"
  private static let strip = 5, part = 0.02

  package init() {}

  package func examine(_ history: EpochHistory, _ context: SignContext) -> Finding? {
    guard let first = history.first, let best = history.best, let ending = history.last(3), let point = ending.last,
      point.epoch - best.epoch >= max(Overfitting.strip, point.epoch / 5)
    else { return nil }
    let mean = ending.reduce(0) { $0 + $1.valid.negativeELBO } / Double(ending.count)
    let rise = mean - best.valid.negativeELBO, gain = first.valid.negativeELBO - best.valid.negativeELBO
    guard rise > Overfitting.part * gain, point.train.negativeELBO < best.train.negativeELBO else { return nil }
    return Finding(
      .warning, name,
      "since epoch \(best.epoch) -ELBO has risen by \(figures(rise)) nats on validation samples, and fallen by "
        + "\(figures(best.train.negativeELBO - point.train.negativeELBO)) on training samples",
      advice: "--set train.max_epochs=\(best.epoch) (checkpoints/best has it), or --set model.dropout=0.2, or more data"
    )
  }
}
