/// A range of numbers that are finite in float32 and valid as a number of steps.
private let moderate = 0.0...1e9

extension ConfigurationSchema {
  static let objectiveKeys: [ConfigurationKey] = [
    key(
      "objective.task", \.objective.task,
      "purpose, which chooses beta unless it is set: generation or anomaly (1), disentanglement (4), none"),
    key(
      "objective.beta.schedule", \.objective.betaSchedule,
      "constant (at end), linear, cyclical, sigmoid; responding to training: geco, controlvae, capacity"),
    key("objective.beta.start", \.objective.betaStart, "weight of the KL at the start", "between 0 and 1e9") {
      moderate.contains($0)
    },
    key(
      "objective.beta.end", \.objective.betaEnd, "weight of the KL after the warm-up; of abs(KL - C) (capacity)",
      "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key("objective.beta.unit", \.objective.betaUnit, "what warmup counts: epoch or step"),
    key(
      "objective.beta.warmup", \.objective.betaWarmup,
      "length of the warm-up, or of the rise of C (capacity); 0: the first 30 % of training",
      "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key(
      "objective.beta.target", \.objective.betaTarget,
      "nats per sample that recon (geco) or the KL (controlvae, capacity) is brought to", "between -1e9 and 1e9"
    ) { abs($0) <= moderate.upperBound },
    key(
      "objective.beta.rate", \.objective.betaRate,
      "change of log beta in a step, for each nat per dimension that recon is off (geco)", "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key(
      "objective.beta.proportional", \.objective.betaProportional, "proportional gain of controlvae",
      "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key("objective.beta.integral", \.objective.betaIntegral, "integral gain of controlvae", "between 0 and 1e9") {
      moderate.contains($0)
    },
    key("objective.beta.low", \.objective.betaLow, "smallest beta of geco and controlvae", "between 1e-9 and 1e9") {
      (1e-9...1e9).contains($0)
    },
    key("objective.beta.high", \.objective.betaHigh, "largest beta of geco and controlvae", "between 1e-9 and 1e9") {
      (1e-9...1e9).contains($0)
    },
    key("objective.beta.cycles", \.objective.betaCycles, "cycles of the cyclical schedule", "1 or more") { $0 >= 1 },
    key("objective.beta.cycle_rise", \.objective.betaCycleRise, "rising part of a cycle", "in (0, 1]") {
      $0 > 0 && $0 <= 1
    },
    key(
      "objective.free_bits", \.objective.freeBits, "nats of KL per unit and sample that cost nothing",
      "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key(
      "objective.reconstruction", \.objective.reconstruction,
      "sum over dimensions (the ELBO), or mean (likely to collapse)"),
    key(
      "objective.perceptual", \.objective.perceptual,
      "weight of (1 - MS-SSIM) times the number of dimensions in the loss; needs images in [0, 1]", "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key(
      "objective.total_correlation", \.objective.totalCorrelation,
      "weight of the total correlation of q(z) in a microbatch (beta-TCVAE: its beta minus 1)", "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key(
      "objective.mmd", \.objective.mmd,
      "weight of MMD^2 between q(z) in a microbatch and the prior (InfoVAE)", "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
  ]
}
