import Kernels
import Layers

/// What a training would be, before it is one.
package enum DryRun {
  /// Data, parameters by layer, multiply-adds and memory, as a table.
  package static func text(_ setup: TrainingSetup) -> String {
    let plan = setup.plan, store = setup.autoencoder.store, shape = setup.data.train.shape
    var lines = ["data        \(setup.data.train.name)  \(shape), train \(plan.count), valid \(setup.data.valid.count)"]
    lines.append(
      "batch       \(plan.batchSize) = \(plan.slots) microbatches of \(plan.microbatch), \(setup.communicator.size) ranks"
    )
    lines.append(
      "steps       \(plan.stepsPerEpoch) an epoch, \(setup.configuration.totalSteps(plan)) in all")
    lines.append("")
    let width = max(12, store.parameters.map(\.name.count).max() ?? 0)
    func row(_ name: String, _ shape: String, _ count: String) -> String {
      name.padding(to: width) + "  " + shape.padding(to: 16) + String(repeating: " ", count: max(0, 12 - count.count))
        + count
    }
    lines.append(row("parameter", "shape", "count"))
    for parameter in store.parameters {
      lines.append(row(parameter.name, parameter.shape.description, "\(parameter.shape.count)"))
    }
    lines.append(row("total", "", "\(store.count)"))
    lines.append("")
    let need = MemoryNeed(setup.configuration, setup.autoencoder, plan, setup.communicator)
    let weights = store.parameters.filter { $0.shape.rank == 2 }.reduce(0) { $0 + $1.shape.count }
    lines.append("multiply-adds per sample, forward   \(weights)")
    lines.append(
      "memory per rank, beside the data: \(MemoryNeed.text(need.bytes)) (parameters and moments "
        + "\(MemoryNeed.text(need.parameters)), gradients \(MemoryNeed.text(need.gradients)), "
        + "microbatches \(MemoryNeed.text(need.batches)), graphs \(MemoryNeed.text(need.graphs)))")
    return lines.joined(separator: "\n") + "\n"
  }
}

extension String {
  /// Padded with spaces on the right.
  package func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
