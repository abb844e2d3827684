import Foundation

/// log of a sum of exponentials, one at a time, without overflow.
package struct StreamingLogSum {
  private var largest = -Double.infinity
  /// Sum of exp(value - largest).
  private var sum = 0.0
  private var count = 0.0

  package init() {}

  package mutating func add(_ value: Double) {
    count += 1
    if value == -.infinity { return }
    if value <= largest {
      sum += exp(value - largest)
    } else {
      sum = sum * exp(largest - value) + 1
      largest = value
    }
  }

  /// log(1/n sum exp(value)).
  package var logMean: Double { sum > 0 ? largest + log(sum / count) : -.infinity }
}
