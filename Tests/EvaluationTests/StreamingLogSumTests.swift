import Evaluation
import Foundation
import Testing

@Suite struct StreamingLogSumTests {
  @Test(
    "The logarithm of a mean of exponentials is exact beyond the range of exp, in any order",
    arguments: [[0.0], [-3, 2, 2.5], [-1e6, -1e6 - 1], [1e6, -1e6, 1e6], [-800, -750, -790, -750]] as [[Double]])
  func mean(values: [Double]) {
    let largest = values.max() ?? 0
    let expected = largest + log(values.reduce(0) { $0 + exp($1 - largest) } / Double(values.count))
    for order in [values, values.reversed(), values.sorted()] {
      var sum = StreamingLogSum()
      for value in order { sum.add(value) }
      #expect(abs(sum.logMean - expected) <= 1e-12 * max(1, abs(expected)))
    }
  }

  @Test("Weights of zero count as samples, and only such weights give minus infinity")
  func zeros() {
    var sum = StreamingLogSum()
    sum.add(-.infinity)
    #expect(sum.logMean == -.infinity)
    sum.add(0)
    #expect(abs(sum.logMean + log(2)) < 1e-15)
  }
}
