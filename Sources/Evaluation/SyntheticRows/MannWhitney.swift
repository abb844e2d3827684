import Foundation

/// A one-sided test of whether the values of one sample tend to be below those of another.
///
/// Mann and Whitney, 1947. The p-value uses the normal approximation with tie correction and without continuity
/// correction.
package struct MannWhitney: Equatable, Sendable {
  /// P(a < b) + P(a = b) / 2 for one value of each sample. It is 0.5 if neither sample tends to be lower.
  package let share: Double
  /// Distance of the share from 0.5 in standard errors.
  package let z: Double
  /// Probability of a share at least this high by chance.
  package let pValue: Double

  package init(_ a: [Double], below b: [Double]) {
    precondition(!a.isEmpty && !b.isEmpty, "\(a.count) and \(b.count) values")
    let sorted = b.sorted(), first = Double(a.count), second = Double(b.count), all = first + second
    let wins = a.reduce(0.0) { sum, value in
      let place = placement(of: value, inSorted: sorted)
      return sum + Double(b.count - place.upTo) + Double(place.upTo - place.below) / 2
    }
    share = wins / (first * second)
    var ties = 0.0, run = 1.0
    let joined = (a + b).sorted()
    for i in joined.indices {
      if i + 1 < joined.count, joined[i + 1] == joined[i] {
        run += 1
      } else {
        ties += run * run * run - run
        run = 1
      }
    }
    let variance = first * second / 12 * (all + 1 - ties / (all * max(1, all - 1)))
    z = variance > 0 ? (wins - first * second / 2) / variance.squareRoot() : 0
    pValue = erfc(z / 2.0.squareRoot()) / 2
  }
}
