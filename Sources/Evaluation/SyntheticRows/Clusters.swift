import Foundation
import Kernels

/// k-means clusters of rows. They represent the modes of the data, which synthetic rows should cover too.
///
/// The centers are initialized by k-means++ (Arthur and Vassilvitskii, SODA 2007) with keyed random numbers and refined
/// by Lloyd's iterations.
package struct Clusters {
  /// Cluster centers. (count, width)
  package private(set) var centers: [Float]
  package let width: Int
  package var count: Int { centers.count / width }
  private static let iterations = 25

  /// Number of clusters such that the mean number of rows per cluster is at least 25, limited to 1...20.
  package static func count(ofRows rows: Int) -> Int { max(1, min(20, rows / 25)) }

  package init(_ rows: [Float], width: Int, count: Int, seed: UInt64) {
    self.width = width
    let n = rows.count / width
    precondition(n > 0 && count > 0, "\(count) clusters of \(n) rows")
    func row(_ i: Int) -> ArraySlice<Float> { rows[i * width..<(i + 1) * width] }
    var uniforms = [Float](repeating: 0, count: count)
    KeyedGenerator(seed: seed, stream: "clusters").uniform(
      into: &uniforms, samples: (0..<count).map(UInt64.init), rows: count, columns: 1, epoch: 0)
    centers = Array(row(min(n - 1, Int(uniforms[0] * Float(n)))))
    var nearest = [Double](repeating: .infinity, count: n)
    for next in 1..<max(1, count) {
      let last = Array(centers.suffix(width))
      for i in 0..<n { nearest[i] = min(nearest[i], Clusters.squared(row(i), last)) }
      let total = nearest.reduce(0, +)
      // There are fewer distinct rows than clusters.
      guard total > 0 else { break }
      var rest = Double(uniforms[next]) * total
      let chosen = nearest.firstIndex { weight in
        rest -= weight
        return rest < 0
      }
      centers += row(chosen ?? n - 1)
    }
    for _ in 0..<Clusters.iterations {
      let places = self.places(of: rows)
      var sums = [Double](repeating: 0, count: centers.count), counts = [Int](repeating: 0, count: self.count)
      for (i, place) in places.enumerated() {
        counts[place] += 1
        for (j, value) in row(i).enumerated() { sums[place * width + j] += Double(value) }
      }
      let before = centers
      for place in counts.indices where counts[place] > 0 {
        for j in 0..<width { centers[place * width + j] = Float(sums[place * width + j] / Double(counts[place])) }
      }
      if centers == before { break }
    }
  }

  private static func squared(_ a: ArraySlice<Float>, _ b: [Float]) -> Double {
    zip(a, b).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
  }

  /// Index of the cluster of each row.
  package func places(of rows: [Float]) -> [Int] {
    NearestRows(centers, width: width).nearest(1, to: rows).map { $0[0].index }
  }

  /// Share of the rows in each cluster.
  package func shares(of rows: [Float]) -> [Double] {
    var counts = [Double](repeating: 0, count: count)
    let places = places(of: rows)
    for place in places { counts[place] += 1 / Double(places.count) }
    return counts
  }
}
