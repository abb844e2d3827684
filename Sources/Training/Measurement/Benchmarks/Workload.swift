import Communication
import RunConfiguration
import Data
import Kernels
import VAE

/// The computation of a rank between two exchanges: microbatches that are loaded, replayed and accounted for by the
/// step engine.
final class Workload {
  private let engine: StepEngine
  private let gradient: Buffer
  private let row: UnsafeMutablePointer<Double>
  private let slots: [Int]
  private var next = 0

  init(_ engine: StepEngine) {
    self.engine = engine
    gradient = Buffer(count: engine.autoencoder.store.count)
    row = Buffer.allocate(Double.self, count: StepRow.width)
    slots = Array(engine.exchange.tree.range(of: engine.communicator.rank))
  }

  deinit { row.deallocate() }

  /// Computes the next microbatch of this rank.
  func microbatch() throws(Failure) {
    let plan = engine.plan
    let step = next / slots.count % plan.stepsPerEpoch, slot = slots[next % slots.count]
    next += 1
    let filled = try engine.forward(BatchKey(slot: slot, step: step, epoch: 0, attempt: 0))
    engine.backward(into: gradient.base, share: 1 / Float(plan.batchSize))
    StepRow.write(engine.training, engine.batch.weights, filled: filled, into: row)
  }
}

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
