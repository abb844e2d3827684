import Training

/// Statistics of a set of measured times.
package struct Distribution: Sendable {
  private let sorted: [Double]

  package init(_ values: [Double]) {
    precondition(!values.isEmpty, "distribution of no values")
    sorted = values.sorted()
  }

  /// The smallest value that at least the given share of all values does not exceed.
  package func quantile(_ share: Double) -> Double {
    sorted[min(sorted.count - 1, max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1))]
  }

  package var minimum: Double { sorted[0] }
  package var maximum: Double { sorted[sorted.count - 1] }
  package var median: Double { quantile(0.5) }
  package var p99: Double { quantile(0.99) }
  package var mean: Double { sorted.reduce(0, +) / Double(sorted.count) }

  package var standardDeviation: Double {
    guard sorted.count > 1 else { return 0 }
    let mean = mean
    return (sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(sorted.count - 1)).squareRoot()
  }
}
