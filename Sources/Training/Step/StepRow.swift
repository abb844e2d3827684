import Communication
import Kernels
import VAE

/// Layout of the row of values that each microbatch adds to the sums of a step.
package enum StepRow {
  static let weight = 0, reconstruction = 1, kl = 2, loss = 3, bad = 4, stop = 5
  /// Number of values in a row.
  package static let width = 6

  /// Means per sample, computed from the summed rows.
  static func means(_ sums: UnsafePointer<Double>) -> ELBOMeans {
    let n = max(sums[weight], 1)
    return ELBOMeans(reconstruction: sums[reconstruction] / n, kl: sums[kl] / n)
  }

  static func write(
    _ graph: ELBOGraph, _ weights: UnsafePointer<Float>, filled: Int, into row: UnsafeMutablePointer<Double>
  ) {
    let terms = graph.terms, memory = graph.graph, rows = memory.batch
    row[weight] = Double(filled)
    row[reconstruction] = vd_weighted_sum(memory[terms.reconstruction], weights, rows)
    row[kl] = vd_weighted_sum(memory[terms.bound.kl], weights, rows)
    row[loss] = vd_weighted_sum(memory[terms.loss], weights, rows)
    row[bad] = row[loss].isFinite && row[reconstruction].isFinite && row[kl].isFinite ? 0 : 1
    row[stop] = StopSignals.pending != 0 ? 1 : 0
  }
}

/// The contribution of a step to the sums of its epoch.
struct StepSums {
  let weight, reconstruction, kl: Double

  /// Takes the values from the summed rows of all microbatches.
  init(_ sums: UnsafePointer<Double>) {
    weight = sums[StepRow.weight]
    reconstruction = sums[StepRow.reconstruction]
    kl = sums[StepRow.kl]
  }
}
