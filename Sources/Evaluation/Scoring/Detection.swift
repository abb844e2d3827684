/// How well scores separate anomalies from normal rows. A higher score is more anomalous.
package struct Detection: Sendable, Equatable {
  package let anomalies: Int
  package let normals: Int
  /// Probability that an anomaly scores higher than a normal row, where ties count half; nil unless both kinds are
  /// present.
  package let auroc: Double?
  /// Sum over thresholds of precision times the increase in recall, as in scikit-learn's average_precision_score.
  package let averagePrecision: Double?
  /// Precision of the decision score > threshold; `recall` and `f1` refer to the same decision.
  package let precision: Double?
  package let recall: Double?
  package let f1: Double?
  /// Share of normal rows with a score above the threshold.
  package let falseAlarms: Double?

  package init(_ scores: [Double], isAnomaly: [Bool], threshold: Double) {
    precondition(scores.count == isAnomaly.count, "\(scores.count) scores, \(isAnomaly.count) labels")
    anomalies = isAnomaly.count { $0 }
    normals = isAnomaly.count - anomalies
    let positives = Double(anomalies), negatives = Double(normals)
    let order = scores.indices.sorted { scores[$0] > scores[$1] }
    var found = 0.0, alarms = 0.0, pairs = 0.0, precisions = 0.0
    var start = 0
    while start < order.count {
      var end = start, hits = 0.0
      while end < order.count, scores[order[end]] == scores[order[start]] {
        hits += isAnomaly[order[end]] ? 1 : 0
        end += 1
      }
      let misses = Double(end - start) - hits
      found += hits
      alarms += misses
      pairs += hits * (negatives - alarms + misses / 2)
      precisions += hits * found / (found + alarms)
      start = end
    }
    let hasBoth = anomalies > 0 && normals > 0
    auroc = hasBoth ? pairs / (positives * negatives) : nil
    averagePrecision = hasBoth ? precisions / positives : nil

    let caught = Double(zip(scores, isAnomaly).count { $0 > threshold && $1 })
    let wrong = Double(zip(scores, isAnomaly).count { $0 > threshold && !$1 })
    precision = caught + wrong > 0 ? caught / (caught + wrong) : nil
    recall = anomalies > 0 ? caught / positives : nil
    f1 = anomalies > 0 ? 2 * caught / (positives + caught + wrong) : nil
    falseAlarms = normals > 0 ? wrong / negatives : nil
  }
}
