import Kernels

/// The overlap of the manifolds of two sets of rows. The neighbourhood of a row reaches to its k-th nearest neighbour
/// in its own set.
package struct ManifoldOverlap: Equatable, Sendable {
  /// Share of synthetic rows in the neighbourhood of any real row (Kynkaanniemi et al., "Improved precision and recall
  /// metric for assessing generative models", NeurIPS 2019).
  package let precision: Double
  /// Share of real rows in the neighbourhood of any synthetic row.
  package let recall: Double
  /// Share of real rows with a synthetic row in their own neighbourhood. Unlike recall, it cannot be raised by a single
  /// outlier among the synthetic rows (Naeem et al., "Reliable fidelity and diversity metrics for generative models",
  /// ICML 2020).
  package let coverage: Double

  package static let neighbours = 3

  /// Computes the overlap. Both sets must have more than k rows.
  /// - real: Real rows. (count, width)
  /// - synthetic: Synthetic rows. (count, width)
  package init(real: [Float], synthetic: [Float], width: Int, k: Int = neighbours) {
    let known = NearestRows(real, width: width), made = NearestRows(synthetic, width: width)
    precondition(min(known.count, made.count) > k, "neighbourhoods of \(k) of \(known.count) and \(made.count) rows")
    let realReach = known.radii(k), madeReach = made.radii(k)
    var precise = 0
    var recalled = [Bool](repeating: false, count: known.count), covered = recalled
    known.eachQuery(synthetic) { row, distances, doubt in
      // If rounding could decide the comparison, the distance is computed in double precision.
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
