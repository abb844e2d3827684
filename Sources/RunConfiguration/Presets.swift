extension ConfigurationSchema {
  package static var presetNames: String { presets.map(\.name).joined(separator: ", ") }

  /// The presets: for each, the values that differ from the defaults.
  package static let presets: [(name: String, help: String, values: [(String, String)])] = [
    (
      "digits", "the embedded 8x8 digits, in seconds",
      [
        ("data.source", "digits"), ("model.hidden", "[256, 128]"), ("model.latent", "10"),
        ("objective.beta.end", "0.5"), ("train.batch_size", "64"), ("train.max_epochs", "150"),
        ("monitor.pictures_every", "10"),
        ("checkpoint.every_epochs", "10"),
      ]
    ),
    (
      "mnist-mlp", "784-400-20 on 28x28 digits; give --data",
      [
        ("data.source", "data/mnist"), ("model.hidden", "[400]"), ("model.latent", "20"), ("train.batch_size", "128"),
        ("train.max_epochs", "50"),
      ]
    ),
    (
      "conv28", "convolutions to 32 and 64 channels on 28x28 images, latent 20; give --data",
      [
        ("data.source", "data/mnist"), ("model.kind", "conv"), ("model.channels", "[32, 64]"),
        ("model.hidden", "[256]"), ("model.latent", "20"), ("optimizer.clip_norm", "0.0"), ("train.batch_size", "128"),
        ("train.max_epochs", "50"),
      ]
    ),
    (
      "conv64", "convolutions to 32, 32, 64, 64 channels on 64x64 images, latent 10; give --data",
      [
        ("data.source", "data/images"), ("model.kind", "conv"), ("model.channels", "[32, 32, 64, 64]"),
        ("model.hidden", "[256]"), ("model.latent", "10"), ("optimizer.clip_norm", "0.0"), ("train.batch_size", "64"),
        ("train.max_epochs", "50"),
      ]
    ),
    (
      "resnet32", "residual blocks of 32, 64 and 128 channels on colour images of 32x32, latent 128; give --data",
      [
        ("data.source", "data/cifar10"), ("data.flip", "true"), ("model.kind", "resnet"),
        ("model.channels", "[32, 64, 128]"),
        ("model.hidden", "[]"), ("model.latent", "128"), ("model.activation", "silu"),
        ("model.likelihood", "logistic_mixture"), ("model.mixtures", "5"), ("train.batch_size", "64"),
        ("train.max_epochs", "50"),
      ]
    ),
    (
      "tabular", "columns of numbers, standardised, and of words, with missing values; give --data FILE.csv",
      [
        ("data.source", "data.csv"), ("data.columns", "mixed"), ("data.scale", "standardize"),
        ("model.hidden", "[64, 32]"), ("model.latent", "8"), ("model.likelihood", "columns"), ("model.sigma", "0.0"),
        ("model.logvar_low", "-12.0"), ("model.logvar_high", "6.0"), ("train.batch_size", "128"),
        ("train.max_steps", "5000"), ("train.max_epochs", "100000"), ("objective.beta.start", "0.0"),
        ("optimizer.learning_rate", "0.002"), ("optimizer.clip_norm", "5.0"), ("schedule.kind", "warmup_cosine"),
        ("checkpoint.every_epochs", "50"),
        ("monitor.pictures_every", "0"),
      ]
    ),
    (
      "sequence", "windows of 48 rows of a table in order of time; give --data FILE.csv and data.time",
      [
        ("data.source", "data.csv"), ("data.columns", "mixed"), ("data.window", "48"), ("data.scale", "standardize"),
        ("data.validation", "0.2"), ("model.hidden", "[256, 128]"), ("model.latent", "12"),
        ("model.likelihood", "columns_learned"), ("model.logvar_low", "-12.0"), ("model.logvar_high", "6.0"),
        ("train.batch_size", "128"), ("train.max_steps", "5000"), ("train.max_epochs", "100000"),
        ("objective.beta.start", "0.0"), ("optimizer.learning_rate", "0.002"), ("optimizer.clip_norm", "5.0"),
        ("schedule.kind", "warmup_cosine"), ("checkpoint.every_epochs", "50"), ("monitor.pictures_every", "0"),
      ]
    ),
  ]

  /// The data source of a preset.
  package static func source(ofPreset name: String) -> String? {
    presets.first { $0.name == name }?.values.first { $0.0 == "data.source" }?.1
  }
}
