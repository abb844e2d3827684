import Kernels
import Training

/// The directions in which points vary most.
package struct PrincipalComponents {
  /// Of points with more dimensions, those that vary most: a covariance of thousands would take minutes.
  package static let mostDimensions = 256
  /// Share of the variance along each component.
  package let shares: [Double]
  /// Where the points lie along the components. (count, components)
  package let points: [Float]

  /// - points: (count, dimensions). Missing components, of points with fewer dimensions, are 0.
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

/// The dimensions with the largest variance, in order of their number. points: (count, dimensions)
package func varying(_ points: [Float], dimensions: Int, most: Int) -> [Int] {
  guard dimensions > most else { return Array(0..<dimensions) }
  return CodeVariances(points, dimensions: dimensions).variance.descending.prefix(most).sorted()
}

/// Points without their other dimensions. -> (count, dimensions)
func mostVarying(_ points: [Float], dimensions: Int, most: Int) -> (points: [Float], dimensions: Int) {
  guard dimensions > most else { return (points, dimensions) }
  let kept = varying(points, dimensions: dimensions, most: most)
  let rows = stride(from: 0, to: points.count, by: dimensions)
  return (rows.flatMap { row in kept.map { points[row + $0] } }, kept.count)
}

/// Mean and variance of each dimension of points, over their number.
struct CodeVariances {
  private(set) var mean: [Double]
  private(set) var variance: [Double]

  /// - points: (count, d)
  init(_ points: [Float], dimensions d: Int) {
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

/// Mean and covariance of points, over their number.
package struct CodeMoments: Sendable {
  package let mean: [Double]
  /// (d, d)
  package let covariance: [Double]

  /// - points: (count, d)
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

  /// The largest |correlation| of two dimensions that vary.
  var largestCorrelation: Double {
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

  /// From sums over n points: of each dimension, and of each product of two.
  init(count: Double, sums: ArraySlice<Double>, products: ArraySlice<Double>) {
    let mean = sums.map { $0 / max(1, count) }, d = mean.count
    self.mean = mean
    let base = products.startIndex
    covariance = (0..<d * d).map { products[base + $0] / max(1, count) - mean[$0 / d] * mean[$0 % d] }
  }
}
