/// Number of values between consecutive edges.
package struct Histogram: Sendable, Equatable {
  /// Edges in ascending order, one more than there are counts.
  package let edges: [Double]
  package let counts: [Double]

  package init(edges: [Double], counts: [Double]) {
    self.edges = edges
    self.counts = counts
  }
}

/// Bins of equal width. They are always the same, so that counts from different ranks and epochs can be added. Values
/// outside the range fall into the first or last bin. The value 0, which units without information have, is the centre
/// of a bin.
struct Bins: Sendable {
  let low: Float
  let width: Float
  let count: Int

  static let mu = Bins(low: -6.3125, width: 0.125, count: 101)
  static let logvar = Bins(low: -10.125, width: 0.25, count: 81)

  func add(_ values: UnsafePointer<Float>, _ n: Int, to counts: UnsafeMutablePointer<Double>) {
    let last = Float(count - 1)
    for i in 0..<n {
      // With this order of the arguments, NaN falls into the first bin.
      counts[Int(min(last, max(0, (values[i] - low) / width)))] += 1
    }
  }

  var edges: [Double] { (0...count).map { Double(low + Float($0) * width) } }
}
