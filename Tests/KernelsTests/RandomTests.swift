import Foundation
import Kernels
import TestSupport
import Testing

/// The draws of a few rows, as arrays.
private func draw(
  _ kind: Draw, _ generator: KeyedGenerator, samples: [UInt64], columns: Int, epoch: UInt32 = 0
) -> [[Float]] {
  var values = [Float](repeating: .nan, count: samples.count * columns + 1)
  switch kind {
  case .normal: generator.normal(into: &values, samples: samples, rows: samples.count, columns: columns, epoch: epoch)
  case .uniform: generator.uniform(into: &values, samples: samples, rows: samples.count, columns: columns, epoch: epoch)
  }
  precondition(values.last?.isNaN == true, "a value beyond the last row was written")
  return samples.indices.map { Array(values[$0 * columns..<($0 + 1) * columns]) }
}

enum Draw: CaseIterable { case normal, uniform }

/// The words of a row from the scalar generator, one counter after the other.
private func words(_ generator: KeyedGenerator, sample: UInt64, columns: Int, epoch: UInt32) -> [UInt32] {
  (0..<UInt32((columns + 3) / 4)).flatMap { block -> [UInt32] in
    let w = generator.words(block, epoch, UInt32(truncatingIfNeeded: sample), UInt32(truncatingIfNeeded: sample >> 32))
    return [w.0, w.1, w.2, w.3]
  }
}

@Suite struct RandomTests {
  private struct Known: Decodable {
    struct Vector: Decodable { let counter, key, result: [String] }
    let vectors: [Vector]
  }

  @Test("Philox4x32-10 gives the published test vectors")
  func knownAnswers() throws {
    let known = try fixture("philox.json", as: Known.self)
    #expect(known.vectors.count == 3)
    for vector in known.vectors {
      let numbers = { (texts: [String]) in texts.map { UInt32($0, radix: 16) ?? 0 } }
      let c = numbers(vector.counter), k = numbers(vector.key)
      let w = KeyedGenerator.philox(counter: (c[0], c[1], c[2], c[3]), key: (k[0], k[1]))
      #expect([w.0, w.1, w.2, w.3] == numbers(vector.result))
    }
  }

  private let samples: [UInt64] = [0, 1, 7, 0xffff_ffff, 0x1_0000_0000, 0xdead_beef_cafe_f00d, .max]

  @Test("Uniforms equal those from the scalar generator, bit for bit, for any number of columns")
  func uniformWords() {
    let generator = KeyedGenerator(seed: 0x1234_5678_9abc_def0, stream: "words", attempt: 2)
    for columns in 1...37 {
      let rows = draw(.uniform, generator, samples: samples, columns: columns, epoch: 3)
      for (sample, row) in zip(samples, rows) {
        let expected = words(generator, sample: sample, columns: columns, epoch: 3).prefix(columns).map { word in
          // The upper 24 bits, at the middle of their cell. A value that would round to 1 is the largest below 1.
          min((Float(word >> 8) + 0.5) * 0x1p-24, Float(1).nextDown)
        }
        #expect(row == Array(expected), "sample \(sample), \(columns) columns")
      }
    }
  }

  @Test("Normals are the Box-Muller transform of the scalar generator's words, for any number of columns")
  func normalWords() {
    let generator = KeyedGenerator(seed: 99, stream: "words")
    for columns in 1...37 {
      let rows = draw(.normal, generator, samples: samples, columns: columns, epoch: 1)
      for (sample, row) in zip(samples, rows) {
        let w = words(generator, sample: sample, columns: columns, epoch: 1)
        let u = w.map { (Double($0 >> 8) + 0.5) * 0x1p-24 }
        for j in 0..<columns {
          let radius = (-2 * log(u[j & ~1])).squareRoot(), angle = 2 * Double.pi * u[j | 1]
          let expected = radius * (j & 1 == 0 ? cos(angle) : sin(angle))
          // u is rounded to float32 twice: by half an ulp of a turn, and of 1 - u where the logarithm is steep.
          let tolerance = 1e-6 * max(1, radius) + (radius < 0.1 ? ulp / max(radius, 1e-4) : 0)
          #expect(abs(Double(row[j]) - expected) < tolerance, "sample \(sample), column \(j): \(row[j]), \(expected)")
        }
      }
    }
  }

  @Test("The draws of a row do not depend on its place in a batch or its neighbours", arguments: Draw.allCases)
  func placeInBatch(kind: Draw) {
    let generator = KeyedGenerator(seed: 4, stream: "place")
    for columns in 1...37 {
      let alone = samples.map { draw(kind, generator, samples: [$0], columns: columns)[0] }
      #expect(draw(kind, generator, samples: samples, columns: columns) == alone)
      #expect(draw(kind, generator, samples: samples.reversed(), columns: columns) == alone.reversed())
      // A row with fewer columns is the beginning of one with more, so the first values of a sample stay the same.
      let wide = draw(kind, generator, samples: samples, columns: columns + 5)
      #expect(wide.map { Array($0.prefix(columns)) } == alone)
    }
  }

  @Test(
    "Draws depend on seed, stream, attempt, epoch and sample, and are reproducible", arguments: Draw.allCases
  )
  func keys(kind: Draw) {
    func row(_ seed: UInt64, _ stream: String, _ attempt: Int, _ epoch: UInt32, _ sample: UInt64) -> [Float] {
      draw(
        kind, KeyedGenerator(seed: seed, stream: stream, attempt: attempt), samples: [sample], columns: 8, epoch: epoch)[
          0]
    }
    let variants = [
      row(1, "eps", 0, 0, 0), row(2, "eps", 0, 0, 0), row(1 << 32 | 1, "eps", 0, 0, 0), row(1, "epsilon", 0, 0, 0),
      row(1, "eps", 1, 0, 0), row(1, "eps", 0, 1, 0), row(1, "eps", 0, 0, 1), row(1, "eps", 0, 0, 1 << 32),
    ]
    #expect(row(1, "eps", 0, 0, 0) == variants[0])
    // With eight floats of 24 bits, the chance that even one agrees is below 1e-6 over all pairs.
    #expect(Set(variants.flatMap { $0 }).count == variants.count * 8)
  }

  @Test("A million normals have the moments, tails and independence of a normal distribution")
  func normalMoments() {
    let count = 1 << 20, columns = 16
    let ids = (0..<UInt64(count / columns)).map { $0 }
    let x = draw(.normal, KeyedGenerator(seed: 5, stream: "moments"), samples: ids, columns: columns)
      .flatMap { $0.map(Double.init) }
    let n = Double(count)
    #expect(x.allSatisfy { $0.isFinite && abs($0) < 6 })
    func moment(_ k: Int) -> Double { x.reduce(0) { $0 + pow($1, Double(k)) } / n }
    // Five standard errors of each moment: sqrt(Var[x^k] / n) with Var 1, 2, 15, 96.
    for (k, expected, variance) in [(1, 0.0, 1.0), (2, 1, 2), (3, 0, 15), (4, 3, 96)] {
      #expect(abs(moment(k) - expected) < 5 * (variance / n).squareRoot(), "moment \(k): \(moment(k))")
    }
    // A Box-Muller pair shares its words, and neighbouring blocks share nothing. Values and squares must not correlate.
    for lag in [1, 2, 4, columns] {
      let products = (0..<count - lag).reduce(0.0) { $0 + x[$1] * x[$1 + lag] } / n
      #expect(abs(products) < 5 / n.squareRoot(), "lag \(lag)")
      let squares = (0..<count - lag).reduce(0.0) { $0 + (x[$1] * x[$1] - 1) * (x[$1 + lag] * x[$1 + lag] - 1) } / n
      #expect(abs(squares) < 10 / n.squareRoot(), "squares, lag \(lag)")
    }
    // In the Kolmogorov-Smirnov test, 1.95 / sqrt(n) is exceeded once in a thousand. Seeds are fixed.
    let sorted = x.sorted()
    let distance = sorted.enumerated().reduce(0.0) { worst, point in
      let cdf = 0.5 * erfc(-point.element / 2.0.squareRoot())
      return max(worst, abs(cdf - Double(point.offset) / n), abs(cdf - Double(point.offset + 1) / n))
    }
    #expect(distance < 1.95 / n.squareRoot())
  }

  @Test("Uniforms are equally distributed and never 0 or 1")
  func uniformRange() {
    let count = 1 << 20
    let x = draw(
      .uniform, KeyedGenerator(seed: 6, stream: "flat"), samples: (0..<UInt64(count / 64)).map { $0 }, columns: 64
    )
    .flatMap { $0 }
    #expect(x.allSatisfy { $0 > 0 && $0 < 1 })
    var bins = [Int](repeating: 0, count: 100)
    for value in x { bins[Int(value * 100)] += 1 }
    let expected = Double(count) / 100
    let chiSquare = bins.reduce(0.0) { $0 + pow(Double($1) - expected, 2) / expected }
    #expect(chiSquare < 99 + 5 * (2.0 * 99).squareRoot())
  }

  /// An event of probability 1 must always occur, so the largest word must give a value below 1.
  @Test("The largest word gives a uniform below 1 and a finite normal")
  func largestWord() throws {
    // This is the highest of 2^24 cells, found by a search through the counters of this key.
    let generator = KeyedGenerator(seed: 0, stream: "top")
    let columns = 1 << 12
    var values = [Float](repeating: 0, count: columns), worst = Float(0), top: (sample: UInt64, column: Int)?
    for sample in 0..<UInt64(1 << 15) where top == nil {
      generator.uniform(into: &values, samples: [sample], rows: 1, columns: columns, epoch: 0)
      var low = Float(0), high = Float(0)
      vd_range(values, columns, &low, &high)
      worst = max(worst, high)
      if high >= Float(1).nextDown, let column = values.firstIndex(of: high) {
        let word = words(generator, sample: sample, columns: columns, epoch: 0)[column]
        if word >> 8 == 0xff_ffff { top = (sample, column) }
      }
    }
    let found = try #require(top, "no such word among 2^27")
    #expect(worst < 1)
    var normals = [Float](repeating: 0, count: columns)
    generator.normal(into: &normals, samples: [found.sample], rows: 1, columns: columns, epoch: 0)
    #expect(vd_all_finite(normals, columns) == 1)
    // A pixel with the value 1 is 1 in every draw.
    var pixels = [Float](repeating: 1, count: columns)
    generator.uniform(into: &values, samples: [found.sample], rows: 1, columns: columns, epoch: 0)
    vd_binarize(&pixels, values, columns)
    #expect(pixels == [Float](repeating: 1, count: columns))
  }
}

@Suite struct PermutationTests {
  private func permutation(_ count: Int, epoch: UInt32 = 0, part: UInt32 = 0, seed: UInt64 = 1) -> [Int] {
    let permutation = KeyedPermutation(
      count: count, generator: KeyedGenerator(seed: seed, stream: "order"), epoch: epoch, part: part)
    return (0..<count).map { permutation[$0] }
  }

  @Test(
    "A permutation contains every index once",
    arguments: [1, 2, 3, 4, 5, 8, 15, 16, 17, 64, 65, 100, 1797, 7500, 65_537])
  func isPermutation(count: Int) {
    #expect(permutation(count).sorted() == Array(0..<count))
    #expect(permutation(count) == permutation(count))
  }

  @Test("Permutations differ by epoch, part and seed", arguments: [100, 1797, 65_537])
  func differs(count: Int) {
    let orders = [
      permutation(count), permutation(count, epoch: 1), permutation(count, part: 1), permutation(count, seed: 2),
    ]
    for i in orders.indices {
      for j in orders.indices where j < i {
        // Two random permutations agree in one place on average (Poisson), so 12 places are practically impossible.
        #expect(zip(orders[i], orders[j]).filter { $0 == $1 }.count < 12)
      }
      #expect(zip(orders[i], 0..<count).filter { $0 == $1 }.count < 12)
    }
  }

  @Test("Every index is equally likely at every place", arguments: [2, 3, 5, 8, 16, 23])
  func positions(count: Int) {
    let epochs = 20_000
    var cells = [Int](repeating: 0, count: count * count)
    for epoch in 0..<epochs {
      for (place, index) in permutation(count, epoch: UInt32(epoch)).enumerated() { cells[place * count + index] += 1 }
    }
    let expected = Double(epochs) / Double(count)
    let chiSquare = cells.reduce(0.0) { $0 + pow(Double($1) - expected, 2) / expected }
    // Sums of rows and columns are fixed: (n - 1)^2 degrees of freedom. The bound is five deviations above the mean.
    let freedom = Double((count - 1) * (count - 1))
    #expect(chiSquare < freedom + 5 * (2 * freedom).squareRoot() + 5, "chi-square \(chiSquare) on \(freedom)")
  }

  @Test("Neighbours in a permutation are independent", arguments: [1797, 7500])
  func neighbours(count: Int) {
    // Either of two neighbours is larger with probability 1/2, and their mean distance is a third of the range.
    let order = permutation(count)
    let rises = zip(order, order.dropFirst()).filter { $0 < $1 }.count
    #expect(abs(Double(rises) - Double(count) / 2) < 5 * (Double(count) / 12).squareRoot())
    let distance = zip(order, order.dropFirst()).reduce(0.0) { $0 + Double(abs($1.0 - $1.1)) } / Double(count * count)
    #expect(abs(distance - 1.0 / 3) < 5 * 0.25 / Double(count).squareRoot())
  }
}
