import Foundation

/// The quantile of ascending values by linear interpolation, bitwise equal to numpy.quantile with its default method.
package func quantile(_ share: Double, ofSorted values: [Double]) -> Double {
  precondition(!values.isEmpty && (0...1).contains(share), "quantile \(share) of \(values.count) values")
  let place = share * Double(values.count - 1)
  let low = min(Int(place), values.count - 1), high = min(low + 1, values.count - 1)
  let rest = place - Double(low), difference = values[high] - values[low]
  // Interpolating from the nearer end makes the result monotone in `share`.
  return rest >= 0.5 ? values[high] - difference * (1 - rest) : values[low] + difference * rest
}

/// The number of ascending values below a value, and the number at or below it.
package func placement(of value: Double, inSorted values: [Double]) -> (below: Int, upTo: Int) {
  func first(where holds: (Double) -> Bool) -> Int {
    var low = 0, high = values.count
    while low < high {
      let middle = (low + high) / 2
      if holds(values[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
  let below = first { $0 >= value }
  return (below, first { $0 > value })
}

/// Conformal p-value, the share of exchangeable normal rows with a score at least as high: (1 + count of calibration
/// scores >= score) / (n + 1).
///
/// Vovk, Gammerman and Shafer, "Algorithmic learning in a random world", 2005.
package func conformalPValue(_ score: Double, calibration sorted: [Double]) -> Double {
  Double(1 + sorted.count - placement(of: score, inSorted: sorted).below) / Double(sorted.count + 1)
}
