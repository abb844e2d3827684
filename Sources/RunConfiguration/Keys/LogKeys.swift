extension ConfigurationSchema {
  static let logKeys: [ConfigurationKey] = [
    key("log.progress", \.log.progress, "auto, bar, plain, json, none"),
    key("log.every_steps", \.log.everySteps, "steps between lines of kind step in metrics.jsonl; 0: none", "0 or more")
    {
      $0 >= 0
    },
    key("log.tensorboard", \.log.tensorboard, "write events for TensorBoard to the run directory's tensorboard/"),
  ]
}
