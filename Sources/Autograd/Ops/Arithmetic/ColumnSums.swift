import Kernels

/// sums_j += sum_i x_ij over the rows i that are samples, in backward. x (rows, n), sums (n)
struct ColumnSums: Operation {
  static let name = "column sums"
  let x, sums: Tensor
  /// 1, or more where a sample has several rows.
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
  /// Adds what the samples of the microbatch have in each column of x to the sums for a statistic. x (rows, ...) of as
  /// many columns as the statistic has values; the rows are the batch or a multiple of it
  package func addColumnSums(_ x: Tensor, to statistic: Tensor) {
    precondition(
      x.columns == statistic.count && x.rows % batch == 0,
      "column sums \(scopeName) of \(x.shape) for a statistic \(statistic.shape) in a graph for \(batch) samples")
    record(ColumnSums(x: x, sums: sums(of: statistic), rowsPerSample: x.rows / batch))
  }
}
