import Foundation

/// The population stability index: sum over bins of (q - p) log(q / p), p and q the shares of two samples. Nats.
///
/// Siddiqi, "Credit risk scorecards", 2006: below 0.1 nothing has changed, from 0.25 much has.
package enum PopulationStability {
  package static let moderate = 0.1
  package static let major = 0.25
  /// Bins of equal share in the first sample.
  static let bins = 10
  /// What an empty bin counts as, since log 0 would be infinite.
  static let leastShare = 1e-4

  /// Of counts in the same bins.
  package static func index(_ expected: [Int], _ actual: [Int]) -> Double {
    let totals = (Double(expected.reduce(0, +)), Double(actual.reduce(0, +)))
    return zip(expected, actual).reduce(0) { sum, counts in
      let p = max(Double(counts.0) / totals.0, leastShare), q = max(Double(counts.1) / totals.1, leastShare)
      return sum + (q - p) * log(q / p)
    }
  }

  /// Of two samples, both ascending: in ten bins (a, b] between the deciles of the first that differ.
  package static func index(sorted expected: [Double], _ actual: [Double]) -> Double {
    var edges: [Double] = []
    for k in 1..<bins {
      let edge = expected[(k * expected.count + bins - 1) / bins - 1]
      if edge != edges.last { edges.append(edge) }
    }
    func counts(_ values: [Double]) -> [Int] {
      let upTo = edges.map { placement(of: $0, inSorted: values).upTo } + [values.count]
      return zip(upTo, [0] + upTo).map { $0 - $1 }
    }
    return index(counts(expected), counts(actual))
  }
}
