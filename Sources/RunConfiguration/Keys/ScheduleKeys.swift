extension ConfigurationSchema {
  static let scheduleKeys: [ConfigurationKey] = [
    key("schedule.kind", \.schedule.kind, "learning rate: constant, warmup_cosine, step"),
    key("schedule.warmup_steps", \.schedule.warmupSteps, "steps of linear warm-up (warmup_cosine)", "0 or more") {
      $0 >= 0
    },
    key("schedule.minimum_factor", \.schedule.minimumFactor, "share of the rate at the end of the cosine", "in [0, 1]")
    {
      (0...1).contains($0)
    },
    key("schedule.step_epochs", \.schedule.stepEpochs, "epochs between drops (step)", "1 or more") { $0 >= 1 },
    key("schedule.step_factor", \.schedule.stepFactor, "factor of a drop (step)", "in (0, 1]") { $0 > 0 && $0 <= 1 },
  ]
}
