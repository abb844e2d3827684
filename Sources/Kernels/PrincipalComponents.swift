/// A principal component analysis of points.
package struct PrincipalComponents {
  /// Maximum number of dimensions. Of points with more, only the dimensions with the largest variance are used, because
  /// a covariance of thousands of dimensions would take minutes.
  package static let mostDimensions = 256
  /// Share of the total variance along each component.
  package let shares: [Double]
  /// Coordinates of the points along the components. (count, components)
  package let points: [Float]

  /// Computes the components. If the points have fewer dimensions than `components`, the remaining coordinates are 0.
  /// - points: The points. (count, dimensions)
  package init(_ points: [Float], dimensions: Int, components: Int) {
    let n = points.count / dimensions
    let (points, d) = mostVarying(points, dimensions: dimensions, most: PrincipalComponents.mostDimensions)
    let moments = CodeMoments(points, dimensions: d)
    let eigen = SymmetricEigen(moments.covariance, n: d)
    let total = eigen.values.reduce(0) { $0 + max(0, $1) }
    shares = (0..<components).map { $0 < d && total > 0 ? max(0, eigen.values[$0]) / total : 0 }
    var projected = [Float](repeating: 0, count: n * components)
    for i in 0..<n {
      for c in 0..<min(components, d) {
        var sum = 0.0
        for k in 0..<d { sum += (Double(points[i * d + k]) - moments.mean[k]) * eigen.vectors[c * d + k] }
        projected[i * components + c] = Float(sum)
      }
    }
    self.points = projected
  }
}

/// Indices of the dimensions with the largest variance, ascending. points: (count, dimensions)
package func varying(_ points: [Float], dimensions: Int, most: Int) -> [Int] {
  guard dimensions > most else { return Array(0..<dimensions) }
  return CodeVariances(points, dimensions: dimensions).variance.descending.prefix(most).sorted()
}

/// The points restricted to the dimensions with the largest variance. -> (count, dimensions)
package func mostVarying(_ points: [Float], dimensions: Int, most: Int) -> (points: [Float], dimensions: Int) {
  guard dimensions > most else { return (points, dimensions) }
  let kept = varying(points, dimensions: dimensions, most: most)
  let rows = stride(from: 0, to: points.count, by: dimensions)
  return (rows.flatMap { row in kept.map { points[row + $0] } }, kept.count)
}

/// Mean and variance of each dimension. The variance is divided by the number of points.
package struct CodeVariances {
  package private(set) var mean: [Double]
  package private(set) var variance: [Double]

  /// - points: The points. (count, d)
  package init(_ points: [Float], dimensions d: Int) {
    let n = points.count / d, share = 1 / Double(max(1, n))
    mean = [Double](repeating: 0, count: d)
    variance = mean
    for i in 0..<n { for k in 0..<d { mean[k] += Double(points[i * d + k]) * share } }
    for i in 0..<n {
      for k in 0..<d {
        let difference = Double(points[i * d + k]) - mean[k]
        variance[k] += difference * difference * share
      }
    }
  }
}

/// Mean and covariance of points. The covariance is divided by the number of points.
package struct CodeMoments: Sendable {
  package let mean: [Double]
  /// (d, d)
  package let covariance: [Double]

  /// - points: The points. (count, d)
  package init(_ points: [Float], dimensions d: Int) {
    let n = points.count / d, share = 1 / Double(max(1, n))
    let mean = CodeVariances(points, dimensions: d).mean
    var covariance = [Double](repeating: 0, count: d * d)
    var row = [Double](repeating: 0, count: d)
    covariance.withUnsafeMutableBufferPointer { covariance in
      for i in 0..<n {
        for k in 0..<d { row[k] = Double(points[i * d + k]) - mean[k] }
        for a in 0..<d {
          let value = row[a] * share
          for b in 0..<d { covariance[a * d + b] += value * row[b] }
        }
      }
    }
    (self.mean, self.covariance) = (mean, covariance)
  }

  /// The largest absolute correlation between two dimensions that are not constant.
  package var largestCorrelation: Double {
    let d = mean.count
    func variance(_ k: Int) -> Double { covariance[k * d + k] }
    var largest = 0.0
    for a in 0..<d where variance(a) > 1e-12 {
      for b in 0..<a where variance(b) > 1e-12 {
        largest = max(largest, abs(covariance[a * d + b]) / (variance(a) * variance(b)).squareRoot())
      }
    }
    return largest
  }

  /// Computes the moments from sums over `count` points: of each dimension, and of the product of each pair of
  /// dimensions.
  package init(count: Double, sums: ArraySlice<Double>, products: ArraySlice<Double>) {
    let mean = sums.map { $0 / max(1, count) }, d = mean.count
    self.mean = mean
    let base = products.startIndex
    covariance = (0..<d * d).map { products[base + $0] / max(1, count) - mean[$0 / d] * mean[$0 % d] }
  }
}

extension Sequence<Double> {
  /// Indices in descending order of the values.
  package var descending: [Int] {
    let values = Array(self)
    return values.indices.sorted { (values[$0], $1) > (values[$1], $0) }
  }
}
