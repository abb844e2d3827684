/// How many values fell between edges.
package struct Histogram: Sendable, Equatable {
  /// Ascending, one more than there are counts.
  package let edges: [Double]
  package let counts: [Double]

  package init(edges: [Double], counts: [Double]) {
    self.edges = edges
    self.counts = counts
  }
}

/// Bins of one width, always the same, so that the counts of ranks and epochs add up; the outermost take what lies
/// beyond. 0, where units lie that say nothing, is the middle of one.
struct Bins: Sendable {
  let low: Float
  let width: Float
  let count: Int

  static let mu = Bins(low: -6.3125, width: 0.125, count: 101)
  static let logvar = Bins(low: -10.125, width: 0.25, count: 81)

  func add(_ values: UnsafePointer<Float>, _ n: Int, to counts: UnsafeMutablePointer<Double>) {
    let last = Float(count - 1)
    for i in 0..<n {
      // In this order, what is not a number falls into the first.
      counts[Int(min(last, max(0, (values[i] - low) / width)))] += 1
    }
  }

  var edges: [Double] { (0...count).map { Double(low + Float($0) * width) } }
}
