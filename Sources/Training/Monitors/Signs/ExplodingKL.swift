import Settings

/// The KL grows by more than the reconstruction gains, with beta as it is.
///
/// A sound run pays for KL with reconstruction, so that -ELBO falls (Hoffman and Johnson, "ELBO surgery", 2016: what
/// the KL has beyond I(x; z) only takes q(z) away from the prior). Epochs with another beta say nothing.
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
