import Settings

/// Units are active, but the reconstruction of training samples has not improved since the first epoch, and the KL is
/// small.
///
/// The mean of the first epoch includes the steps of the untrained model, so a run that learns is soon 1 % below it.
/// The exceptions are a rising beta and a data set so large that the model learns within the first epoch. In the second
/// case, the KL is not small.
struct StuckReconstruction: Check {
  static let name = "reconstruction stuck"
  private static let fall = 0.01, epochs = 5, least = 1.0

  func findings(in facts: EpochFacts) -> [Finding] {
    let history = facts.history
    guard let first = history.first, let point = history.last, point.epoch - first.epoch >= StuckReconstruction.epochs,
      point.step >= Coordinator.settlingSteps, history.mostActive ?? 0 > 0, point.valid.kl < StuckReconstruction.least,
      abs(point.beta - first.beta) <= 0.01 * abs(first.beta)
    else { return [] }
    let start = first.train.reconstruction
    guard start - point.train.reconstruction < StuckReconstruction.fall * max(abs(start), 1) else { return [] }
    let rate = facts.configuration.optimizer.learningRate
    return [
      Finding(
        .warning, Self.name,
        "after \(point.epoch) epochs the reconstruction of training samples is "
          + "\(point.train.reconstruction, .figures) nats, and began at \(start, .figures)",
        settings: ["optimizer.learning_rate=\(rate > 1e-3 ? rate / 10 : rate * 3, .decimal)"])
    ]
  }
}
