import Kernels

/// How two sets of rows lie in one another's neighbourhoods; a neighbourhood reaches to a row's k-th nearest neighbour
/// of its own set.
package struct ManifoldOverlap: Equatable, Sendable {
  /// Share of synthetic rows in the neighbourhood of any real row. Kynkaanniemi et al., "Improved precision and recall
  /// metric for assessing generative models", NeurIPS 2019.
  package let precision: Double
  /// Share of real rows in the neighbourhood of any synthetic row.
  package let recall: Double
  /// Share of real rows with a synthetic row in their own neighbourhood: unlike recall, no single outlier of the synthetic
  /// rows can raise it. Naeem et al., "Reliable fidelity and diversity metrics for generative models", ICML 2020.
  package let coverage: Double

  package static let neighbours = 3

  /// real, synthetic: (count, width), more than k rows each.
  package init(real: [Float], synthetic: [Float], width: Int, k: Int = neighbours) {
    let known = NearestRows(real, width: width), made = NearestRows(synthetic, width: width)
    precondition(min(known.count, made.count) > k, "neighbourhoods of \(k) of \(known.count) and \(made.count) rows")
    let realReach = known.radii(k), madeReach = made.radii(k)
    var precise = 0
    var recalled = [Bool](repeating: false, count: known.count), covered = recalled
    known.eachQuery(synthetic) { row, distances, doubt in
      // Where rounding would decide, the distance is measured.
      func isWithin(_ reach: Double, _ i: Int) -> Bool {
        let difference = distances[i] - Float(reach * reach)
        return abs(difference) > doubt ? difference < 0 : known.distance(synthetic, row, to: i) <= reach
      }
      var isPrecise = false
      for i in distances.indices {
        if isWithin(realReach[i], i) {
          isPrecise = true
          covered[i] = true
        }
        if !recalled[i], isWithin(madeReach[row], i) { recalled[i] = true }
      }
      precise += isPrecise ? 1 : 0
    }
    precision = Double(precise) / Double(made.count)
    recall = Double(recalled.count { $0 }) / Double(known.count)
    coverage = Double(covered.count { $0 }) / Double(known.count)
  }
}
