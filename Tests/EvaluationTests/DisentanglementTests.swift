import Foundation
import Testing

@testable import Evaluation

@Suite struct DisentanglementTests {
  /// Knuth's generator: the fixtures' numbers are those that Python draws with it.
  private struct Draws {
    var state: UInt64
    mutating func next() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 24)
    }
    mutating func next(below n: Int) -> Int { Int(next() * Float(n)) }
  }

  /// Four factors and a code that is made from them.
  private func codes(
    _ n: Int = 3_000, units: Int, _ code: ([Int], inout Draws) -> [Float]
  ) -> FactorizedCodes {
    var draws = Draws(state: 3)
    let sizes = [3, 6, 10, 16]
    var mu = [Float](), factors = [Int]()
    for _ in 0..<n {
      let values = sizes.map { draws.next(below: $0) }
      factors += values
      mu += code(values, &draws)
    }
    return FactorizedCodes(mu: mu, units: units, factors: factors, names: ["a", "b", "c", "d"])
  }

  private var perfect: FactorizedCodes {
    // A unit for each factor, in another order and scale, and one of noise.
    codes(units: 5) { v, draws in
      [Float(v[3]) / 8, 0.01 * draws.next(), -2 * Float(v[0]), 0.1 * Float(v[2]), Float(v[1])]
    }
  }

  private var unrelated: FactorizedCodes {
    codes(units: 5) { _, draws in (0..<5).map { _ in draws.next() } }
  }

  private var mixed: FactorizedCodes {
    // A rotation of all four factors: all is known, and nothing by one unit alone.
    codes(units: 4) { v, _ in
      let f = [Float(v[0]) / 2, Float(v[1]) / 5, Float(v[2]) / 9, Float(v[3]) / 15]
      return [
        f[0] + f[1] + f[2] + f[3], f[0] + f[1] - f[2] - f[3], f[0] - f[1] + f[2] - f[3], f[0] - f[1] - f[2] + f[3],
      ]
    }
  }

  private func scores(_ codes: FactorizedCodes, seed: UInt64 = 1) -> FixedFactorScores {
    FixedFactorScores(
      betaVAE: FixedFactorScores.betaVAE(codes, seed: seed),
      factorVAE: FixedFactorScores.factorVAE(codes, activeVariance: 0.01, seed: seed))
  }

  @Test("The gap of a small set is that of NumPy's bins and scikit-learn's mutual information")
  func fixture() {
    var draws = Draws(state: 7), mu = [Float](), factors = [Int]()
    for _ in 0..<600 {
      let a = draws.next(below: 3), b = draws.next(below: 8)
      let first = Float(a) + 2 * draws.next(), second = Float(b) / 8 + 0.5 * draws.next()
      mu += [first, second, (first + 3 * second) * 0.25 + draws.next()]
      factors += [a, b]
    }
    let gap = MutualInformationGap(FactorizedCodes(mu: mu, units: 3, factors: factors, names: ["a", "b"]))
    #expect(abs(gap.gaps[0] - 0.462_711_894_953_283_3) < 1e-9, "\(gap.gaps)")
    #expect(abs(gap.gaps[1] - 0.312_659_994_544_608_7) < 1e-9)
    #expect(abs(gap.mean - 0.387_685_944_748_946) < 1e-9)
  }

  @Test("Mutual information by hand")
  func information() {
    // Independent; equal; half known.
    #expect(MutualInformationGap.information([0, 0, 1, 1], 2, [0, 1, 0, 1], 2) == 0)
    #expect(abs(MutualInformationGap.information([0, 0, 1, 1], 2, [1, 1, 0, 0], 2) - log(2)) < 1e-15)
    #expect(abs(MutualInformationGap.information([0, 1, 2, 3], 4, [0, 0, 1, 1], 2) - log(2)) < 1e-15)
  }

  @Test("A unit for each factor: all scores at or near 1")
  func one() {
    let gap = MutualInformationGap(perfect), dci = DCI(perfect, seed: 1)
    #expect(gap.mean > 0.95 && gap.gaps.allSatisfy { $0 <= 1 }, "\(gap)")
    #expect(dci.disentanglement > 0.97 && dci.completeness > 0.97 && dci.informativeness > 0.99, "\(dci)")
    let scores = scores(perfect)
    #expect(scores.betaVAE > 0.97 && scores.factorVAE == 1, "\(scores)")
  }

  @Test("Units that know nothing: no gap, no disentanglement, and answers by chance")
  func none() {
    let gap = MutualInformationGap(unrelated), dci = DCI(unrelated, seed: 1)
    #expect(gap.mean < 0.02, "\(gap)")
    #expect(dci.disentanglement < 0.05 && dci.completeness < 0.05, "\(dci)")
    let chance = (1 / 3.0 + 1 / 6.0 + 1 / 10.0 + 1 / 16.0) / 4
    #expect(abs(dci.informativeness - chance) < 0.05, "\(dci)")
    let scores = scores(unrelated)
    #expect(abs(scores.betaVAE - 0.25) < 0.1 && abs(scores.factorVAE - 0.25) < 0.1, "\(scores)")
  }

  @Test("All factors in every unit: little gap and disentanglement, though much is known")
  func rotated() {
    let gap = MutualInformationGap(mixed), dci = DCI(mixed, seed: 1)
    #expect(gap.mean < 0.1, "\(gap)")
    #expect(dci.disentanglement < 0.5 && dci.completeness < 0.5 && dci.informativeness > 0.4, "\(dci)")
  }

  @Test("DCI of importances by hand")
  func importances() {
    // Two units, two factors: the first unit is of one factor, the second of both alike.
    let dci = DCI(importance: [[1, 0], [0.5, 0.5]], informativeness: 0.7)
    let first = -(2 / 3.0 * log(2 / 3.0) + 1 / 3.0 * log(1 / 3.0)) / log(2)
    // Unit 0 has 1 and 0.5, unit 1 has 0 and 0.5, of 2 in all.
    #expect(abs(dci.disentanglement - (0.75 * (1 - first) + 0.25)) < 1e-12)
    #expect(abs(dci.completeness - 0.5) < 1e-12 && dci.informativeness == 0.7)
    #expect(DCI(importance: [[0, 0], [0, 0]], informativeness: 0).disentanglement == 0)
  }

  @Test("Dead units do not vote, and no active unit is no answer")
  func dead() {
    let dead = codes(units: 2) { v, draws in [1e-3 * draws.next(), Float(v[0])] }
    // Its one live unit can name no more than one factor.
    let score = FixedFactorScores.factorVAE(dead, activeVariance: 0.01, seed: 1)
    #expect(score > 0.15 && score < 0.35, "\(score)")
    #expect(FixedFactorScores.factorVAE(dead, activeVariance: 100, seed: 1) == 0)
  }

  @Test("A factor that never changes is left out")
  func constant() {
    let codes = FactorizedCodes(
      mu: [0, 1, 2, 3], units: 1, factors: [0, 5, 1, 5, 0, 5, 1, 5], names: ["moves", "rests"])
    #expect(codes.names == ["moves"] && codes.sizes == [2])
  }

  @Test("The same numbers for the same seed")
  func repeats() {
    #expect(DCI(mixed, seed: 4) == DCI(mixed, seed: 4))
    #expect(scores(mixed, seed: 4) == scores(mixed, seed: 4) && scores(mixed, seed: 4) != scores(mixed, seed: 5))
  }
}
