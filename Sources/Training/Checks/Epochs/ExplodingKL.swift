import Settings

/// The KL grows by more than the reconstruction term improves, at constant beta.
///
/// In a healthy run, an increase of the KL improves the reconstruction by more, so that -ELBO falls. The part of the KL
/// that exceeds I(x; z) only moves q(z) away from the prior (Hoffman and Johnson, "ELBO surgery", 2016). Epochs with a
/// different beta are not compared.
struct ExplodingKL: Check {
  static let name = "exploding KL"
  private static let growth = 2.0, epochs = 3

  func findings(in facts: EpochFacts) -> [Finding] {
    let history = facts.history
    let objective = facts.configuration.objective
    guard !objective.betaSchedule.isControlled, let start = history.steady,
      let recent = history.last(ExplodingKL.epochs), let point = recent.last,
      point.epoch - start.epoch >= ExplodingKL.epochs, point.valid.kl >= ExplodingKL.growth * start.valid.kl,
      point.valid.kl > 1, point.valid.negativeELBO > start.valid.negativeELBO,
      zip(recent, recent.dropFirst()).allSatisfy({ $0.valid.kl < $1.valid.kl })
    else { return [] }
    let rate = facts.configuration.optimizer.learningRate
    return [
      Finding(
        .warning, Self.name,
        "since epoch \(start.epoch) the KL has grown from \(start.valid.kl, .figures) to "
          + "\(point.valid.kl, .figures) nats at beta \(point.beta, .figures), and -ELBO with it, by "
          + "\(point.valid.negativeELBO - start.valid.negativeELBO, .figures)",
        settings: point.beta < 0.1
          ? WeightAdvice.more(facts.configuration, now: point.beta).settings
          : ["optimizer.learning_rate=\(rate / 3, .decimal)"])
    ]
  }
}
