import Settings

/// The KL grows by more than the reconstruction term improves, at constant beta.
///
/// In a healthy run, an increase of the KL improves the reconstruction by more, so that -ELBO falls. The part of the KL
/// that exceeds I(x; z) only moves q(z) away from the prior (Hoffman and Johnson, "ELBO surgery", 2016). Epochs with a
/// different beta are not compared.
struct ExplodingKL: Sign {
  let name = "exploding KL"
  private static let growth = 2.0, epochs = 3

  func examine(_ history: EpochHistory, _ context: SignContext) -> Finding? {
    let objective = context.configuration.objective
    guard !objective.betaSchedule.isControlled, let start = history.steady,
      let recent = history.last(ExplodingKL.epochs), let point = recent.last,
      point.epoch - start.epoch >= ExplodingKL.epochs, point.valid.kl >= ExplodingKL.growth * start.valid.kl,
      point.valid.kl > 1, point.valid.negativeELBO > start.valid.negativeELBO,
      zip(recent, recent.dropFirst()).allSatisfy({ $0.valid.kl < $1.valid.kl })
    else { return nil }
    let rate = context.configuration.optimizer.learningRate
    return Finding(
      .warning, name,
      "since epoch \(start.epoch) the KL has grown from \(figures(start.valid.kl)) to "
        + "\(figures(point.valid.kl)) nats at beta \(figures(point.beta)), and -ELBO with it, by "
        + "\(figures(point.valid.negativeELBO - start.valid.negativeELBO))",
      settings: point.beta < 0.1
        ? WeightAdvice.more(context.configuration, now: point.beta).settings
        : ["optimizer.learning_rate=\(decimalText(rate / 3))"])
  }
}
