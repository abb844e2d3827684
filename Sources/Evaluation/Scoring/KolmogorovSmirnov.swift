import Foundation

/// The two-sample Kolmogorov-Smirnov test: the largest distance between two empirical distribution functions and its
/// p-value.
package struct KolmogorovSmirnov: Sendable, Equatable, Codable {
  package let statistic: Double
  /// P-value from the limiting distribution. It is conservative when values repeat.
  package let pValue: Double
  /// n m / (n + m), where n and m are the numbers of independent values.
  private let size: Double

  package init(statistic: Double, counts: (Int, Int)) {
    let first = Double(counts.0), second = Double(counts.1)
    self.init(statistic: statistic, size: first * second / (first + second))
  }

  private init(statistic: Double, size: Double) {
    (self.statistic, self.size) = (statistic, size)
    pValue = kolmogorovSurvival(size.squareRoot() * statistic)
  }

  /// The test when only one of every `overlap` values is independent.
  func thinned(by overlap: Int) -> KolmogorovSmirnov {
    KolmogorovSmirnov(statistic: statistic, size: size / Double(overlap))
  }

  /// Compares two samples, both ascending.
  package init(sorted a: [Double], _ b: [Double]) {
    var i = 0, j = 0, largest = 0.0
    while i < a.count, j < b.count {
      let value = min(a[i], b[j])
      while i < a.count, a[i] == value { i += 1 }
      while j < b.count, b[j] == value { j += 1 }
      largest = max(largest, abs(Double(i) / Double(a.count) - Double(j) / Double(b.count)))
    }
    self.init(statistic: largest, counts: (a.count, b.count))
  }
}

/// P(K > x) of Kolmogorov's limiting distribution: 2 sum_k (-1)^(k - 1) exp(-2 k^2 x^2). For small x, where this series
/// converges slowly, the other series of the same theta function is used.
package func kolmogorovSurvival(_ x: Double) -> Double {
  guard x > 0 else { return 1 }
  let isSmall = x < 1.18
  var sum = 0.0
  for k in 1...6 {
    let odd = Double(2 * k - 1), all = Double(k)
    if isSmall {
      sum += exp(-odd * odd * Double.pi * Double.pi / (8 * x * x))
    } else {
      sum += (k % 2 == 1 ? 1 : -1) * exp(-2 * all * all * x * x)
    }
  }
  return isSmall ? 1 - (2 * Double.pi).squareRoot() / x * sum : 2 * sum
}
