extension ConfigurationSchema {
  static let checkpointKeys: [ConfigurationKey] = [
    key("checkpoint.every_epochs", \.checkpoint.everyEpochs, "epochs between checkpoints", "1 or more") { $0 >= 1 },
    key("checkpoint.every_steps", \.checkpoint.everySteps, "steps between checkpoints; 0: epochs only", "0 or more") {
      $0 >= 0
    },
    key("checkpoint.keep", \.checkpoint.keep, "newest checkpoints that are kept, besides the best", "1 or more") {
      $0 >= 1
    },
  ]
}
