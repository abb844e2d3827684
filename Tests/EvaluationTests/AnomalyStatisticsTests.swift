import Foundation
import TestSupport
import Testing

@testable import Evaluation

/// Comparisons with NumPy, SciPy and scikit-learn (`anomaly.json` of scripts/make-fixtures).
@Suite struct AnomalyStatisticsTests {
  private struct File: Decodable {
    struct Quantiles: Decodable { let values, shares, quantiles: [Double] }
    struct Binomial: Decodable {
      let trials: Int
      let probability: Double
      let low, high: Int
    }
    struct Found: Decodable {
      let scores: [Double]
      let labels: [Int]
      let threshold, auroc, averagePrecision, precision, recall, f1: Double
    }
    struct Pair: Decodable {
      let first, second: [Double]
      let statistic, pValue, stability: Double
    }
    struct Points: Decodable { let points, survival: [Double] }
    let quantiles: [Quantiles]
    let binomials: [Binomial]
    let detections: [Found]
    let pairs: [Pair]
    let kolmogorov: Points
  }

  private let file: File

  init() throws { file = try fixture("anomaly.json", as: File.self) }

  @Test("Quantiles equal those of numpy.quantile to the bit")
  func quantiles() {
    #expect(file.quantiles.count == 3)
    for known in file.quantiles {
      let sorted = known.values.sorted()
      #expect(known.shares.map { quantile($0, ofSorted: sorted) } == known.quantiles)
    }
  }

  @Test("Confidence limits equal SciPy's binomial quantiles, and the least count is the first with an upper limit")
  func intervals() {
    for known in file.binomials {
      let interval = QuantileInterval(known.probability, count: known.trials)
      #expect(interval.low == (known.low > 0 ? known.low : nil), "\(known)")
      #expect(interval.high == (known.high < known.trials ? known.high + 1 : nil), "\(known)")
    }
    for share in [0.5, 0.9, 0.99, 0.999] {
      let least = QuantileInterval.leastCount(share)
      #expect(QuantileInterval(share, count: least).high == least)
      #expect(QuantileInterval(share, count: least - 1).high == nil)
    }
    #expect(QuantileInterval.leastCount(0.999) == 3688)
  }

  @Test("The interval contains the true quantile as often as stated")
  func coverage() {
    var generator = Random(state: 5), held = 0
    let trials = 2_000
    for _ in 0..<trials {
      let values = (0..<200).map { _ in Double(generator.next() >> 11) * 0x1p-53 }.sorted()
      let interval = QuantileInterval(0.9, count: values.count)
      if let low = interval.low, let high = interval.high, values[low - 1] <= 0.9, 0.9 <= values[high - 1] { held += 1 }
    }
    // The bound is 95 % minus three standard errors; whole ranks can only increase the share.
    #expect(Double(held) / Double(trials) > 0.935 && held < trials, "\(held)")
  }

  @Test("AUROC, average precision and F1 equal those of scikit-learn, with ties")
  func detection() throws {
    for known in file.detections {
      let found = Detection(known.scores, isAnomaly: known.labels.map { $0 == 1 }, threshold: known.threshold)
      let pairs = [
        (found.auroc, known.auroc), (found.averagePrecision, known.averagePrecision),
        (found.precision, known.precision), (found.recall, known.recall), (found.f1, known.f1),
      ]
      for (mine, theirs) in pairs { #expect(abs(try #require(mine) - theirs) < 1e-12) }
    }
    let none = Detection([1, 2, 3], isAnomaly: [false, false, false], threshold: 2.5)
    #expect(none.auroc == nil && none.averagePrecision == nil && none.f1 == nil && none.falseAlarms == 1.0 / 3)
    #expect(Detection([1, 2, 3], isAnomaly: [false, true, true], threshold: 9).precision == nil)
  }

  @Test("The Kolmogorov-Smirnov test equals SciPy's, from samples and from the bins of a baseline")
  func kolmogorovSmirnov() throws {
    for (x, survival) in zip(file.kolmogorov.points, file.kolmogorov.survival) {
      #expect(abs(kolmogorovSurvival(x) - survival) < 1e-13, "\(x)")
    }
    for known in file.pairs {
      let test = KolmogorovSmirnov(sorted: known.first.sorted(), known.second.sorted())
      #expect(abs(test.statistic - known.statistic) < 1e-15)
      #expect(abs(test.pValue - known.pValue) < 1e-12)
      let stability = PopulationStability.index(sorted: known.first.sorted(), known.second.sorted())
      #expect(abs(stability - known.stability) < 1e-12)
    }
  }

  @Test(
    "A baseline with all values is exact for each column, and one with some values is off by less than its gaps")
  func baseline() throws {
    for known in file.pairs {
      // The other column does not change.
      let x: [Float] = known.first.flatMap { value -> [Float] in [Float(value), 7] }
      var counts = ColumnCounts(ColumnBaseline(x, width: 2))
      for value in known.second { counts.add([Float(value), 7]) }
      let drifts = counts.drifts
      #expect(drifts.count == 2 && drifts[1].test.statistic == 0 && drifts[1].stability == 0)
      let kept = counts.baseline.columns[0].values.count
      let gap = kept < Set(known.first).count ? 1.0 / Double(kept - 1) : 0
      #expect(abs(drifts[0].test.statistic - known.statistic) <= gap + 1e-12)
      if gap == 0 { #expect(abs(drifts[0].stability - known.stability) < 1e-12) }
    }
    let many = ColumnBaseline((0..<5_000).map { Float($0) }, width: 1).columns[0]
    #expect(many.values.count == 201 && many.values.first == 0 && many.values.last == 4_999)
    #expect(many.below.last == 4_999 && many.upTo.last == 5_000)
  }

  @Test("Missing values count as a value of their own")
  func missing() {
    var counts = ColumnCounts(ColumnBaseline([1, 2, 3, .nan, .nan, 6, 7, 8, 9, 10], width: 1))
    for value: Float in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] { counts.add([value]) }
    #expect(abs(counts.drifts[0].test.statistic - 0.2) < 1e-12)
  }

  @Test("Conformal p-values equal a computation by hand, and are uniform if nothing is anomalous")
  func conformal() {
    let sorted = [1.0, 2, 2, 3]
    #expect([0, 1, 2, 2.5, 3, 4].map { conformalPValue($0, calibration: sorted) } == [1, 1, 0.8, 0.4, 0.4, 0.2])
    var generator = Random(state: 9)
    let values = (0..<4_000).map { _ in Double(generator.next() >> 11) }
    let calibration = values[..<999].sorted()
    let small = values[999...].count { conformalPValue($0, calibration: calibration) <= 0.05 }
    #expect(abs(Double(small) / 3_001 - 0.05) < 0.02)
  }
}
