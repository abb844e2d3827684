import Optimizers
import Settings

extension ConfigurationSchema {
  static func optimizerKeys(_ optimizers: Registry<SettingValues, any UpdateRule>) -> [ConfigurationKey] {
    [
      choice(optimizers, \.optimizer.kind, optimizers.names.joined(separator: ", ")),
      key("optimizer.learning_rate", \.optimizer.learningRate, "Adam's step size", "between 1e-30 and 1e9") {
        (1e-30...1e9).contains($0)
      },
    ] + settingKeys(of: optimizers)
      + [
        key(
          "optimizer.clip_norm", \.optimizer.clipNorm, "largest global norm of the gradient; 0: no clipping",
          "0 or more"
        ) { $0 >= 0 },
        key(
          "optimizer.ema", \.optimizer.ema,
          "decay of a moving average of the weights, which is validated and saved as the model; 0: none", "in [0, 1)"
        ) { $0 >= 0 && $0 < 1 },
        key(
          "optimizer.sharding", \.optimizer.sharding,
          "auto, node (its ranks share parameters and moments; not with messages), none"),
      ]
  }
}
