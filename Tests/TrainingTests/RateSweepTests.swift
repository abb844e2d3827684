import RunConfiguration
import Foundation
import Testing
import Training

@Suite struct RateSweepTests {
  /// A sweep over an artificial loss that depends on log10 of the rate.
  private func sweep(_ loss: (Double) -> Double) -> RateSweep {
    var sweep = RateSweep()
    for step in 0..<RateSweep.steps {
      let rate = 1e-6 * pow(1e7, Double(step) / Double(RateSweep.steps - 1))
      if !sweep.add(loss(log10(rate))) { break }
    }
    return sweep
  }

  @Test("The suggested rate is where the loss falls fastest, and divergence ends the sweep")
  func suggestion() throws {
    // The loss falls around 1e-3 and rises beyond 1e-1.
    let fall = sweep { 100 - 50 / (1 + exp(-4 * ($0 + 3))) + ($0 > -1 ? 40 * pow($0 + 1, 2) : 0) }
    let suggestion = try #require(fall.suggestion), lowest = try #require(fall.lowest)
    #expect((5e-4...4e-3).contains(suggestion) && lowest.rate > 1e-2 && fall.divergence == nil)
    #expect(fall.points.count == RateSweep.steps && abs(fall.points[0].rate - 1e-6) < 1e-18)
    #expect(abs((fall.points.last?.rate ?? 0) - 10) < 1e-9)
    // Losses may also be negative.
    let below = sweep { -100 - 50 / (1 + exp(-4 * ($0 + 3))) }
    #expect((5e-4...4e-3).contains(try #require(below.suggestion)))
    let diverged = sweep { $0 > -1 ? 1e6 : 100 - $0 }
    #expect(try #require(diverged.divergence) > 0.1 && diverged.points.count < RateSweep.steps)
    let broken = sweep { $0 > -2 ? .nan : 100 - $0 }
    #expect(try #require(broken.divergence) > 0.01 && broken.points.allSatisfy { $0.smoothed.isFinite })
    #expect(sweep { _ in .infinity }.lowest == nil && sweep { 100 + $0 }.suggestion == nil)
  }
}
