import Foundation

/// Computes the log of a sum of exponentials without overflow. Values are added one at a time.
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

  /// log(1/n sum exp(value)), where n is the number of added values.
  package var logMean: Double { sum > 0 ? largest + log(sum / count) : -.infinity }
}
