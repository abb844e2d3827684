import Autograd
import Communication
import Configuration
import Data
import Kernels
import VAE

/// What a rank computes between exchanges: microbatches, loaded, replayed and accounted for as a step does it.
package final class Workload {
  package let setup: TrainingSetup
  private let graph: ELBOGraph
  private let loader: BatchAssembler
  private let gradient: Buffer
  private let seeds: Buffer
  private let row: UnsafeMutablePointer<Double>
  private let slots: [Int]
  private var next = 0

  package init(_ setup: TrainingSetup) {
    self.setup = setup
    let plan = setup.plan
    graph = setup.autoencoder.elboGraph(batch: plan.microbatch, gradients: true)
    loader = BatchAssembler(data: setup.data.train, rows: plan.microbatch, configuration: setup.configuration.data)
    gradient = Buffer(count: setup.autoencoder.store.count)
    seeds = Buffer(count: plan.microbatch)
    row = Buffer.allocate(Double.self, count: StepRow.width)
    slots = Array(ReductionTree(leaves: plan.slots, ranks: setup.communicator.size).range(of: setup.communicator.rank))
  }

  deinit { row.deallocate() }

  /// The next microbatch of this rank.
  package func microbatch() throws(Failure) {
    let plan = setup.plan, memory = graph.graph
    let step = next / slots.count % plan.stepsPerEpoch, slot = slots[next % slots.count]
    next += 1
    let filled = try loader.load(
      plan, slot: slot, step: step, into: memory[graph.x], memory[graph.y], seed: 1, attempt: 0, epoch: 0)
    memory[graph.terms.beta][0] = 1
    memory.forward(.training(loader.samples, filled: filled, seed: 1, attempt: 0, epoch: 0))
    for row in 0..<plan.microbatch { seeds.base[row] = loader.weights[row] / Float(plan.batchSize) }
    memory.backward(from: graph.terms.loss, seed: seeds.base, gradients: gradient.base)
    StepRow.write(graph, loader.weights, filled: filled, into: row)
  }
}

extension Configuration {
  /// Extent of the random data that stands in for a preset's own.
  private static func shape(ofPreset preset: String) -> String {
    ["digits": "8x8", "conv64": "64x64", "resnet32": "32x32x3", "tabular": "32"][preset] ?? "28x28"
  }

  /// A preset with random data of the shape that it is meant for, to be measured.
  package static func random(
    preset: String, flags: [(String, String)], assignments: [String], environment: [String: String]
  ) throws(Failure) -> Configuration {
    try Configuration.resolve(
      preset: preset, file: nil, environment: environment, assignments: assignments,
      flags: [("data.source", "random:\(shape(ofPreset: preset))")] + flags)
  }

  /// The model of such a configuration, without data; chooses the library of the products.
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
