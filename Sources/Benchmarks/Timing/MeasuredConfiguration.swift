import Data
import Kernels
import RunConfiguration
import Training
import VAE

extension Configuration {
  /// Shape of the random data that replaces the data of a preset.
  private static func shape(ofPreset preset: String) -> String {
    ["digits": "8x8", "conv64": "64x64", "resnet32": "32x32x3", "tabular": "32"][preset] ?? "28x28"
  }

  /// A configuration for measurements: a preset with random data of the shape that the preset is made for.
  package static func random(
    preset: String, flags: [(String, String)], assignments: [String], environment: [String: String]
  ) throws(Failure) -> Configuration {
    try Configuration.resolve(
      preset: preset, file: nil, environment: environment, assignments: assignments,
      flags: [("data.source", "random:\(shape(ofPreset: preset))")] + flags)
  }

  /// The model of such a configuration, created without data. This also selects the library for matrix products.
  package func measuredModel() throws(Failure) -> VariationalAutoencoder {
    try Products.select(train.products, threads: train.threads)
    let extents = Configuration.shape(ofPreset: preset).split(separator: "x").compactMap { Int($0) }
    let shape: SampleShape =
      extents.count == 1
      ? .vector(extents[0])
      : .image(height: extents[0], width: extents[1], channels: extents.count > 2 ? extents[2] : 1)
    return try VariationalAutoencoder(
      modelSettings(shape), likelihood: try likelihood, objective: objectiveSettings,
      seed: UInt64(train.seed))
  }
}
