/// Units are active, but the reconstruction of training samples does not get better.
///
/// The first epoch's mean has the untrained steps in it: every run that learns at all is 1 % below it soon.
struct StuckReconstruction: Sign {
  let name = "reconstruction stuck"
  private static let fall = 0.01, epochs = 5

  func examine(_ history: EpochHistory, _ context: SignContext) -> Finding? {
    guard let first = history.first, let point = history.last, point.epoch - first.epoch >= StuckReconstruction.epochs,
      point.step >= Conductor.settlingSteps, history.mostActive ?? 0 > 0
    else { return nil }
    let start = first.train.reconstruction
    guard start - point.train.reconstruction < StuckReconstruction.fall * max(abs(start), 1) else { return nil }
    let rate = context.configuration.optimizer.learningRate
    return Finding(
      .warning, name,
      "after \(point.epoch) epochs the reconstruction of training samples is "
        + "\(figures(point.train.reconstruction)) nats, "
        + "and began at \(figures(start))",
      advice: "--set optimizer.learning_rate=\(decimalText(rate > 1e-3 ? rate / 10 : rate * 3))")
  }
}
