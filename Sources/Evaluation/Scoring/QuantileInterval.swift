import Foundation

/// The order statistics that enclose a quantile of a distribution with 95 % confidence, given n values drawn from it.
/// The interval holds for every distribution.
///
/// The number of values below the quantile is binomial (n, share). Its quantiles at 2.5 % and 97.5 % give the limits.
/// David and Nagaraja, "Order statistics", 2003, section 7.1.
package struct QuantileInterval: Sendable, Equatable {
  package static let confidence = 0.95
  /// Ranks of the limits, counted from 1; nil if n is too small for a limit on that side.
  package let low: Int?
  package let high: Int?

  /// - overlap: Number of values that count as one independent value, such as windows that share rows.
  package init(_ share: Double, count: Int, overlap: Int = 1) {
    let tail = (1 - QuantileInterval.confidence) / 2, trials = max(1, count / overlap)
    let least = binomialQuantile(tail, trials: trials, probability: share)
    let most = binomialQuantile(1 - tail, trials: trials, probability: share) + 1
    low = least > 0 ? (least - 1) * overlap + 1 : nil
    high = most <= trials ? min(most * overlap, count) : nil
  }

  /// The smallest number of values for which the largest one is an upper limit of the quantile: share^n <= 2.5 %.
  package static func leastCount(_ share: Double, overlap: Int = 1) -> Int {
    overlap * Int((log((1 - confidence) / 2) / log(share)).rounded(.up))
  }
}

/// The smallest k with P(B <= k) >= p, where B ~ Binomial(trials, probability).
package func binomialQuantile(_ p: Double, trials: Int, probability: Double) -> Int {
  guard probability > 0, probability < 1 else { return probability > 0 ? trials : 0 }
  let n = Double(trials), success = log(probability), failure = log1p(-probability)
  var sum = 0.0
  for k in 0..<trials {
    let successes = Double(k)
    let ways = lgamma(n + 1) - lgamma(successes + 1) - lgamma(n - successes + 1)
    sum += exp(ways + successes * success + (n - successes) * failure)
    if sum >= p { return k }
  }
  return trials
}
