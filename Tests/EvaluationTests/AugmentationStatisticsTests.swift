import Data
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Evaluation

/// Comparisons with NumPy and SciPy (`augmentation.json` of scripts/make-fixtures), and with planted faults.
@Suite struct AugmentationStatisticsTests {
  private struct File: Decodable {
    struct Overlap: Decodable {
      let name: String
      let width, k: Int
      let real, synthetic: [Float]
      let precision, recall, coverage: Double
      let nearest: [[Int]]
      let distances: [[Double]]
      let variances: [Double]
    }
    struct Ranks: Decodable {
      let first, second: [Double]
      let share, pValue: Double
    }
    let overlaps: [Overlap]
    let ranks: [Ranks]
  }

  private let file: File

  init() throws { file = try fixture("augmentation.json", as: File.self) }

  @Test("Precision, recall, coverage, nearest rows, distances and variances equal those of NumPy")
  func overlaps() {
    #expect(file.overlaps.count == 5)
    for known in file.overlaps {
      let overlap = ManifoldOverlap(real: known.real, synthetic: known.synthetic, width: known.width, k: known.k)
      #expect(abs(overlap.precision - known.precision) < 1e-12, "\(known.name)")
      #expect(abs(overlap.recall - known.recall) < 1e-12, "\(known.name)")
      #expect(abs(overlap.coverage - known.coverage) < 1e-12, "\(known.name)")
      let nearest = NearestRows(known.real, width: known.width).nearest(2, to: known.synthetic)
      #expect(nearest.map { $0.map(\.index) } == known.nearest, "\(known.name)")
      for (mine, theirs) in zip(nearest.joined().map(\.distance), known.distances.joined()) {
        #expect(abs(mine - theirs) < 1e-12 * max(1, theirs))
      }
      for (rows, variance) in zip([known.real, known.synthetic], known.variances) {
        #expect(abs(totalVariance(rows, width: known.width) - variance) < 1e-12 * variance)
      }
    }
  }

  @Test("The Mann-Whitney test equals SciPy's, with ties")
  func ranks() {
    #expect(file.ranks.count == 4)
    for known in file.ranks {
      let test = MannWhitney(known.first, below: known.second)
      #expect(abs(test.share - known.share) < 1e-12)
      #expect(abs(test.pValue - known.pValue) < 1e-12)
    }
    let same = MannWhitney([2, 2], below: [2, 2, 2])
    #expect(same.share == 0.5 && same.z == 0)
  }

  /// Normal rows of ten columns.
  private func rows(_ count: Int, _ seed: UInt64, spread: Float = 1) -> [Float] {
    var x = [Float](repeating: 0, count: count * 10)
    KeyedGenerator(seed: seed, stream: "test").normal(
      into: &x, samples: (0..<count).map(UInt64.init), rows: count, columns: 10, epoch: 0)
    return x.map { $0 * spread }
  }

  private func row(_ rows: [Float], _ i: Int) -> ArraySlice<Float> { rows[i * 10..<(i + 1) * 10] }

  @Test("Rows from the distribution of the training rows do not count as memorised, and all planted copies are found")
  func copies() {
    let training = rows(1_000, 1), memory = Memorisation(training: training, heldOut: rows(200, 2), width: 10)
    #expect(memory.tellsCopies && memory.reference.count == 1_200)
    for seed: UInt64 in 3..<8 {
      let verdict = memory.verdict(on: memory.nearness(of: rows(500, seed)))
      #expect(!verdict.isMemorised && abs(verdict.ratios.share - 0.5) < 0.08, "\(verdict)")
    }
    // Ten of five hundred rows are copies, moved by a hundredth of a standard deviation.
    var made = rows(500, 9), noise = rows(10, 10, spread: 0.01)
    for i in 0..<10 {
      let source = row(training, 97 * i), place = 50 * i * 10
      for j in 0..<10 { made[place + j] = source[source.startIndex + j] + noise[10 * i + j] }
    }
    noise.removeAll()
    let nearness = memory.nearness(of: made), verdict = memory.verdict(on: nearness)
    #expect(verdict.hasCopies && !verdict.isTied && verdict.copies >= 10)
    for i in 0..<10 { #expect(memory.isCopy(nearness[50 * i]) && nearness[50 * i].index == 97 * i) }
  }

  @Test("Rows that are tied to one training row each are found, even if none is a copy, and smooth rows are not")
  func tied() {
    let training = rows(1_000, 1), memory = Memorisation(training: training, heldOut: rows(200, 2), width: 10)
    let noise = rows(500, 11, spread: 0.35)
    let near = (0..<500).flatMap { i in zip(row(training, i), row(noise, i)).map { $0 + $1 } }
    let tied = memory.verdict(on: memory.nearness(of: near))
    #expect(tied.isTied && tied.isMemorised, "\(tied)")
    // These rows are nearer to training rows than real ones, but equally near to all of them.
    let smooth = memory.verdict(on: memory.nearness(of: rows(500, 12, spread: 0.6)))
    #expect(smooth.distances.share > 0.8 && !smooth.isMemorised, "\(smooth)")
  }

  @Test("If real rows repeat each other, repeating them does not count as memorisation or copying")
  func repeated() {
    var random = Random(state: 4)
    func few(_ count: Int) -> [Float] { (0..<3 * count).map { _ in Float(Int.random(in: 0..<4, using: &random)) } }
    let memory = Memorisation(training: few(300), heldOut: few(60), width: 3)
    #expect(!memory.tellsCopies)
    #expect(!memory.verdict(on: memory.nearness(of: few(200))).isMemorised)
  }

  @Test("A planted collapse lowers variance, recall, coverage and modes but not precision")
  func collapse() {
    let modes = rows(8, 20, spread: 6)
    func spread(_ seed: UInt64, _ places: [Int]) -> [Float] {
      let noise = rows(400, seed)
      return (0..<400).flatMap { i in zip(row(modes, places[i % places.count]), row(noise, i)).map { $0 + $1 } }
    }
    let all = Array(0..<8), real = spread(21, all)
    let whole = ManifoldOverlap(real: real, synthetic: spread(22, all), width: 10)
    let half = ManifoldOverlap(real: real, synthetic: spread(23, [0, 3, 5, 6]), width: 10)
    #expect(whole.precision > 0.8 && whole.recall > 0.8 && whole.coverage > 0.8, "\(whole)")
    #expect(half.precision > 0.7 && half.recall < 0.55 && half.coverage < 0.55, "\(half)")
    let point = rows(400, 24, spread: 0.01).enumerated().map { $1 + modes[$0 % 10] }
    let collapsed = ManifoldOverlap(real: real, synthetic: point, width: 10)
    #expect(collapsed.recall < 0.02 && totalVariance(point, width: 10) < 1e-3 * totalVariance(real, width: 10))

    let clusters = Clusters(real, width: 10, count: 8, seed: 1)
    let shares = clusters.shares(of: real)
    // Seeds may put two centres into one mode, but each cluster still has rows.
    #expect(shares.count == 8 && shares.allSatisfy { $0 > 0 } && abs(shares.reduce(0, +) - 1) < 1e-9)
    #expect(clusters.shares(of: spread(23, [0, 3, 5, 6])).count { $0 == 0 } >= 3)
    #expect(Clusters([Float](repeating: 1, count: 30), width: 10, count: 2, seed: 1).count == 1)
  }

  @Test("The classifier learns, depends only on its seed, and detects misleading synthetic rows")
  func classifier() {
    func labelled(_ seed: UInt64, _ turn: Int = 0) -> LabelledRows {
      let x = rows(600, seed)
      // Neither column helps alone: the class is whether their product is positive.
      let classes = (0..<600).map { x[$0 * 10] * x[$0 * 10 + 1] > 0 ? 1 : 0 }
      return LabelledRows(x, classes: classes.map { ($0 + turn) % 2 }, width: 10)
    }
    let test = labelled(33)
    let good = ClassifierTest(real: labelled(31), synthetic: labelled(32), test: test, classes: 2, seed: 5)
    #expect(good.tested == 600 && good.share(good.real) > 0.85 && good.share(good.synthetic) > 0.85, "\(good)")
    #expect(!good.isFarBelow && good.classes.map(\.tested).reduce(0, +) == 600)
    #expect(good == ClassifierTest(real: labelled(31), synthetic: labelled(32), test: test, classes: 2, seed: 5))
    let bad = ClassifierTest(real: labelled(31), synthetic: labelled(32, 1), test: test, classes: 2, seed: 5)
    #expect(bad.isFarBelow && bad.share(bad.synthetic) < 0.2, "\(bad)")
  }

  @Test("Halves have the same number of rows of every class, and unused rows are spread over classes")
  func halves() {
    let classes = (0..<70).map { $0 < 40 ? 0 : $0 % 3 }
    let rows = LabelledRows((0..<70).map(Float.init), classes: classes, width: 1)
    let halves = rows.halves, first = rows.rows(halves.one), second = rows.rows(halves.other)
    for place in 0..<3 { #expect(abs(first.of(class: place).count - second.of(class: place).count) <= 1) }
    #expect(Set(first.x).isDisjoint(with: second.x) && first.count + second.count == 70)
    #expect(Set(rows.spaced(7).classes) == [0, 1, 2])
  }

  @Test("Synthetic values are limited to those of the data: whole numbers in range, one category, pixels in range")
  func grid() {
    let schema = TableSchema(
      columns: [.init(name: "count"), .init(name: "size"), .init(name: "kind", categories: ["a", "b"])], rows: 3,
      hasMissing: true)
    let scaling = Scaling(offset: [10, 0, 0, 0, 0], scale: [0.5, 1, 1, 1, 1])
    // There are counts from 8 to 14, and a gap.
    let training: [Float] = [-1, 0.25, 1, 0, 0, 2, 0.5, 0, 1, 0, .nan, 7, 1, 0, 0]
    let table = ValueGrid(training, shape: .vector(5), schema: schema, scaling: scaling)
    let rows = table.project([0.3, 9.125, 0.2, 0.7, 0.1, 40, -3.5, 0.1, 0.2, 0.7])
    #expect(rows == [0.5, 9.125, 0, 1, 0, 2, -3.5, 0, 0, 1])
    #expect(table.stored(rows) == [11, 9.125, 0, 1, 0, 14, -3.5, 0, 0, 1])
    #expect(!table.isForeign(rows[..<5]) && table.isForeign(rows[5...]))
    #expect(table.project(rows) == rows)

    let bytes = Scaling(offset: [0], scale: [1 / 255])
    let picture = ValueGrid(
      [0, 1, 0.2, 0.6], shape: .image(height: 2, width: 2, channels: 1), schema: nil, scaling: bytes)
    #expect(picture.stored(picture.project([-0.1, 0.51, 1.3, 0.11])) == [0, 130, 255, 28])
    let grey = ValueGrid([0.1, 0.9], shape: .image(height: 1, width: 2, channels: 1), schema: nil, scaling: .identity)
    #expect(grey.project([-2, 0.123]) == [0.1, 0.123])
  }
}
