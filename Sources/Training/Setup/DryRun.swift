import Kernels
import Layers
import Settings

/// Describes a training run without starting it.
package enum DryRun {
  /// A table of the data, the parameters of each layer, multiply-adds and memory.
  package static func text(_ setup: TrainingSetup) throws(Failure) -> String {
    let plan = setup.plan, shape = setup.data.train.shape
    var lines = ["data        \(setup.data.train.name)  \(shape), train \(plan.count), valid \(setup.data.valid.count)"]
    lines.append(
      "batch       \(plan.batchSize) = \(plan.slots) microbatches of \(plan.microbatch), \(setup.communicator.size) ranks"
    )
    lines.append(
      "steps       \(plan.stepsPerEpoch) per epoch, \(setup.configuration.totalSteps(plan)) in total")
    lines.append("")
    lines += layers(setup)
    lines.append("")
    let need = try MemoryNeed(setup.configuration, setup.autoencoder, plan, setup.communicator)
    lines.append(
      "memory per rank, besides the data: \(need.bytes, .memory) (parameters and moments "
        + "\(need.parameters, .memory), gradients \(need.gradients, .memory), "
        + "microbatches \(need.batches, .memory), graphs \(need.graphs, .memory))")
    lines.append("")
    if let task = setup.configuration.taskText { lines.append("task        \(task)") }
    if setup.findings.isEmpty { lines.append("lint        no findings") }
    for finding in setup.findings { lines.append("lint        \(finding.text)") }
    return lines.joined(separator: "\n") + "\n"
  }

  /// One row per layer with its output for one sample, its parameters, and its multiply-adds.
  private static func layers(_ setup: TrainingSetup) -> [String] {
    let table = setup.autoencoder.layers
    let width = max(12, table.map(\.name.count).max() ?? 0)
    func row(_ name: String, _ cells: [String]) -> String {
      name.padding(to: width)
        + cells.map { String(repeating: " ", count: max(2, 16 - $0.count)) + $0 }.joined()
    }
    var lines = [row("layer", ["output", "parameters", "multiply-adds"])]
    lines += table.map { row($0.name, [$0.output, "\($0.parameters)", "\($0.multiplyAdds)"]) }
    let total = table.reduce(0) { $0 + $1.multiplyAdds }
    lines.append(row("total", ["", "\(setup.autoencoder.store.count)", "\(total)"]))
    return lines
  }
}

extension String {
  /// The string, padded with spaces on the right.
  package func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
