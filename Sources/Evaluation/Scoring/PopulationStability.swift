import Foundation

/// The population stability index: sum over bins of (q - p) log(q / p), where p and q are the shares of two samples.
/// Nats.
///
/// By convention, an index below 0.1 means no change and an index of 0.25 or more means a major change (Siddiqi,
/// "Credit risk scorecards", 2006).
package enum PopulationStability {
  package static let moderate = 0.1
  package static let major = 0.25
  /// Number of bins. Each holds an equal share of the first sample.
  static let bins = 10
  /// Share that is used for an empty bin, because log 0 is infinite.
  static let leastShare = 1e-4

  /// The index of counts in the same bins.
  package static func index(_ expected: [Int], _ actual: [Int]) -> Double {
    let totals = (Double(expected.reduce(0, +)), Double(actual.reduce(0, +)))
    return zip(expected, actual).reduce(0) { sum, counts in
      let p = max(Double(counts.0) / totals.0, leastShare), q = max(Double(counts.1) / totals.1, leastShare)
      return sum + (q - p) * log(q / p)
    }
  }

  /// The index of two samples, both ascending. The bins (a, b] lie between the distinct deciles of the first sample.
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
