import Foundation
import Testing

@testable import Evaluation

@Suite struct DisentanglementTests {
  /// Knuth's generator, with which Python draws the numbers of the fixtures.
  private struct Draws {
    var state: UInt64
    mutating func next() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 24)
    }
    mutating func next(below n: Int) -> Int { Int(next() * Float(n)) }
  }

  /// Four factors, and a code that is computed from them.
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
    // There is a unit for each factor, in another order and scale, and a unit of noise.
    codes(units: 5) { v, draws in
      [Float(v[3]) / 8, 0.01 * draws.next(), -2 * Float(v[0]), 0.1 * Float(v[2]), Float(v[1])]
    }
  }

  private var unrelated: FactorizedCodes {
    codes(units: 5) { _, draws in (0..<5).map { _ in draws.next() } }
  }

  private var mixed: FactorizedCodes {
    // A rotation of all four factors: the code contains everything, but no single unit contains a factor.
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

  @Test("The MIG of a small set equals one from NumPy's bins and scikit-learn's mutual information")
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

  @Test("Mutual information equals values computed by hand")
  func information() {
    // The cases are: independent, equal, and half known.
    #expect(MutualInformationGap.information([0, 0, 1, 1], 2, [0, 1, 0, 1], 2) == 0)
    #expect(abs(MutualInformationGap.information([0, 0, 1, 1], 2, [1, 1, 0, 0], 2) - log(2)) < 1e-15)
    #expect(abs(MutualInformationGap.information([0, 1, 2, 3], 4, [0, 0, 1, 1], 2) - log(2)) < 1e-15)
  }

  @Test("If each factor has its own unit, all scores are 1 or near 1")
  func one() {
    let gap = MutualInformationGap(perfect), dci = DCI(perfect, seed: 1)
    #expect(gap.mean > 0.95 && gap.gaps.allSatisfy { $0 <= 1 }, "\(gap)")
    #expect(dci.disentanglement > 0.97 && dci.completeness > 0.97 && dci.informativeness > 0.99, "\(dci)")
    let scores = scores(perfect)
    #expect(scores.betaVAE > 0.97 && scores.factorVAE == 1, "\(scores)")
  }

  @Test("If units are independent of the factors, MIG and DCI are near 0 and answers are by chance")
  func none() {
    let gap = MutualInformationGap(unrelated), dci = DCI(unrelated, seed: 1)
    #expect(gap.mean < 0.02, "\(gap)")
    #expect(dci.disentanglement < 0.05 && dci.completeness < 0.05, "\(dci)")
    let chance = (1 / 3.0 + 1 / 6.0 + 1 / 10.0 + 1 / 16.0) / 4
    #expect(abs(dci.informativeness - chance) < 0.05, "\(dci)")
    let scores = scores(unrelated)
    #expect(abs(scores.betaVAE - 0.25) < 0.1 && abs(scores.factorVAE - 0.25) < 0.1, "\(scores)")
  }

  @Test("If every unit mixes all factors, MIG and disentanglement are small although informativeness is high")
  func rotated() {
    let gap = MutualInformationGap(mixed), dci = DCI(mixed, seed: 1)
    #expect(gap.mean < 0.1, "\(gap)")
    #expect(dci.disentanglement < 0.5 && dci.completeness < 0.5 && dci.informativeness > 0.4, "\(dci)")
  }

  @Test("DCI equals values computed by hand")
  func importances() {
    // There are two units and two factors: the first unit is important for one factor, the second for both.
    let dci = DCI(importance: [[1, 0], [0.5, 0.5]], informativeness: 0.7)
    let first = -(2 / 3.0 * log(2 / 3.0) + 1 / 3.0 * log(1 / 3.0)) / log(2)
    // Of a total of 2, unit 0 has 1 and 0.5, and unit 1 has 0 and 0.5.
    #expect(abs(dci.disentanglement - (0.75 * (1 - first) + 0.25)) < 1e-12)
    #expect(abs(dci.completeness - 0.5) < 1e-12 && dci.informativeness == 0.7)
    #expect(DCI(importance: [[0, 0], [0, 0]], informativeness: 0).disentanglement == 0)
  }

  @Test("Dead units are ignored in the FactorVAE score, which is 0 without active units")
  func dead() {
    let dead = codes(units: 2) { v, draws in [1e-3 * draws.next(), Float(v[0])] }
    // The only active unit can name at most one factor.
    let score = FixedFactorScores.factorVAE(dead, activeVariance: 0.01, seed: 1)
    #expect(score > 0.15 && score < 0.35, "\(score)")
    #expect(FixedFactorScores.factorVAE(dead, activeVariance: 100, seed: 1) == 0)
  }

  @Test("A factor that does not change is excluded")
  func constant() {
    let codes = FactorizedCodes(
      mu: [0, 1, 2, 3], units: 1, factors: [0, 5, 1, 5, 0, 5, 1, 5], names: ["moves", "rests"])
    #expect(codes.names == ["moves"] && codes.sizes == [2])
  }

  @Test("Scores are the same for the same seed")
  func repeats() {
    #expect(DCI(mixed, seed: 4) == DCI(mixed, seed: 4))
    #expect(scores(mixed, seed: 4) == scores(mixed, seed: 4) && scores(mixed, seed: 4) != scores(mixed, seed: 5))
  }
}
