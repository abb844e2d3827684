import Kernels

/// In backward, adds sums_j += sum_i x_ij over the rows i that hold samples. x (rows, n), sums (n)
struct ColumnSums: Operation {
  static let name = "column sums"
  let x, sums: Tensor
  /// Number of rows of each sample.
  let rowsPerSample: Int
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [sums] }

  func forward(_ memory: Memory) {}

  func backward(_ memory: Memory) {
    guard let total = memory.gradient(sums) else { return }
    let samples = min(memory.replay.filled, x.rows / rowsPerSample)
    vd_column_sums(total, memory[x], samples * rowsPerSample, x.columns)
  }
}

extension Graph {
  /// Adds the sum of each column of x, over the samples of the microbatch, to the sums of a statistic. x has shape
  /// (rows, ...) with as many columns as the statistic has values. The number of rows is a multiple of the batch size.
  package func addColumnSums(_ x: Tensor, to statistic: Tensor) {
    precondition(
      x.columns == statistic.count && x.rows % batch == 0,
      "column sums \(scopeName) of \(x.shape) for a statistic \(statistic.shape) in a graph for \(batch) samples")
    record(ColumnSums(x: x, sums: sums(of: statistic), rowsPerSample: x.rows / batch))
  }
}
