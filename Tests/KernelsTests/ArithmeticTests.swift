import Foundation
import Kernels
import TestSupport
import Testing

/// Sizes around the kernels' blocks of 4, 16, 32 and 512, and odd ones.
private let sizes = [0, 1, 2, 3, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 511, 512, 513, 1_797, 4_096]
private let shapes = [(1, 1), (1, 5), (3, 5), (4, 16), (5, 33), (7, 17), (8, 1), (17, 64), (2, 1_030)]

@Suite struct ArithmeticTests {
  @Test(
    "Products of all transpositions and sizes are exact on whole numbers with either library",
    arguments: [Products.Library.openblas, .auto], [(false, false), (false, true), (true, false), (true, true)])
  func products(library: Products.Library, transposed: (Bool, Bool)) throws {
    try Products.select(library, threads: 1)
    let (ta, tb) = transposed
    var random = Random(state: 7)
    let extents = [1, 2, 3, 5, 8, 17, 33, 64, 100]
    for m in extents {
      for n in extents {
        for k in [1, 3, 7, 16, 65] {
          // Whole numbers up to 16 * 65: every partial sum is exact, so the order of summation cannot matter.
          let a = random.integers(m * k), b = random.integers(k * n), start = random.integers(m * n)
          var product = [Float](repeating: 0, count: m * n)
          for i in 0..<m {
            for j in 0..<n {
              for l in 0..<k { product[i * n + j] += a[ta ? l * m + i : i * k + l] * b[tb ? j * k + l : l * n + j] }
            }
          }
          var c = [Float](repeating: .nan, count: m * n)  // with beta 0, the old values must not be read
          Products.multiply(m, n, k, a, transposedA: ta, b, transposedB: tb, beta: 0, into: &c)
          #expect(c == product, "\(m) x \(n) x \(k)")
          var added = start
          Products.multiply(m, n, k, a, transposedA: ta, b, transposedB: tb, beta: 1, into: &added)
          #expect(added == zip(start, product).map { $0 + $1 }, "\(m) x \(n) x \(k), added")
        }
      }
    }
  }

  @Test("Elementwise kernels are right at odd sizes", arguments: sizes)
  func elementwise(n: Int) {
    var random = Random(state: UInt64(n))
    let x = random.integers(n), y = random.integers(n), z = random.integers(n)
    var sum = y
    vd_add(&sum, x, n)
    #expect(sum == zip(x, y).map { $0 + $1 })
    sum = y
    vd_axpy(&sum, 3, x, n)
    #expect(sum == zip(x, y).map { 3 * $0 + $1 })
    sum = y
    vd_multiply_add(&sum, x, z, n)
    #expect(sum == (0..<n).map { y[$0] + x[$0] * z[$0] })
    sum = x
    vd_standardize(&sum, y, z, n)
    #expect(sum == (0..<n).map { (x[$0] - y[$0]) * z[$0] })

    let bytes = (0..<n).map { _ in UInt8.random(in: 0...250, using: &random) }
    vd_u8_to_f32(&sum, bytes, n, 0.5, -1)
    #expect(sum == bytes.map { Float($0) * 0.5 - 1 })
    #expect(vd_u8_max(bytes, n) == bytes.max() ?? 0)

    vd_clamp(&sum, x, n, -2, 1)
    #expect(sum == x.map { min(max($0, -2), 1) })
    sum = y
    vd_clamp_backward(&sum, z, x, n, -2, 1)
    #expect(sum == (0..<n).map { y[$0] + (x[$0] >= -2 && x[$0] <= 1 ? z[$0] : 0) })
    vd_floor(&sum, x, n, 1)
    #expect(sum == x.map { max($0, 1) })
    sum = y
    vd_floor_backward(&sum, z, x, n, 1)
    #expect(sum == (0..<n).map { y[$0] + (x[$0] > 1 ? z[$0] : 0) })
  }

  @Test("Dropout drops values by the uniforms and scales the others", arguments: sizes)
  func dropout(n: Int) {
    var random = Random(state: UInt64(n) + 1)
    let x = random.floats(n), uniforms = random.floats(n, in: 0...1)
    var y = [Float](repeating: .nan, count: n), mask = uniforms
    vd_dropout(&y, &mask, x, n, 0.25)
    #expect(mask == uniforms.map { $0 < 0.25 ? 0 : 1 / 0.75 })
    #expect(y == zip(x, mask).map { $0 * $1 })
    var pixels = x
    vd_binarize(&pixels, uniforms, n)
    #expect(pixels == zip(x, uniforms).map { $1 < $0 ? 1 : 0 })
  }

  @Test("The sum of squares in float32 lanes equals the sum in Double up to rounding", arguments: sizes)
  func sumOfSquares(n: Int) {
    var random = Random(state: UInt64(n) + 2)
    let x = random.floats(n)
    let exact = x.reduce(0.0) { $0 + Double($1) * Double($1) }
    // 32 lanes have n / 32 additions each, and five more follow. Each rounds by at most half an ulp of a positive sum.
    #expect(abs(vd_sum_of_squares(x, n) - exact) <= exact * ulp / 2 * (Double(n) / 32 + 7))
    #expect(vd_sum_of_squares(x, n) == vd_sum_of_squares(x, n))
  }

  @Test("bfloat16 is the nearest number with eight bits, ties to even, and keeps infinities and NaN")
  func bfloat16() {
    var random = Random(state: 11)
    var x: [Float] = [
      0, -0, 1, -1, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 1 + 1 / 256,
      1 + 3 / 256, 1 + 1 / 256 + .ulpOfOne,
    ]
    x += random.floats(1000).map { $0 * 1e3 }
    var wire = [UInt16](repeating: 0, count: x.count), back = [Float](repeating: 0, count: x.count)
    vd_f32_to_bf16(&wire, x, x.count)
    vd_bf16_to_f32(&back, wire, x.count)
    for (from, to) in zip(x, back) where from.isFinite && abs(from) < 1e38 && abs(from) > 1e-30 {
      #expect(abs(from - to) <= abs(from) / 256, "\(from) became \(to)")
    }
    #expect(back[0...5].map(\.bitPattern) == x[0...5].map(\.bitPattern) && back[6] == .infinity)
    #expect(back[8] == 1 && back[9] == 1 + 4 / 256 && back[10] == 1 + 2 / 256)
    var nan: [Float] = [.nan, Float(bitPattern: 0x7f80_0001), Float(bitPattern: 0xffff_ffff)]
    vd_f32_to_bf16(&wire, nan, 3)
    vd_bf16_to_f32(&nan, wire, 3)
    #expect(nan.allSatisfy { $0.isNaN })
    // Rounding a second time changes nothing.
    vd_f32_to_bf16(&wire, back, back.count)
    var again = back
    vd_bf16_to_f32(&again, wire, back.count)
    #expect(again == back)
  }

  @Test("Checks of finiteness and range include every element", arguments: sizes.filter { $0 > 0 && $0 < 600 })
  func seesEveryElement(n: Int) {
    var random = Random(state: UInt64(n) + 3)
    let x = random.floats(n)
    var low = Float(0), high = Float(0)
    vd_range(x, n, &low, &high)
    #expect(low == x.min() && high == x.max())
    #expect(vd_all_finite(x, n) == 1)
    for place in 0..<n {
      for bad: Float in [.nan, .infinity, -.infinity] {
        var y = x
        y[place] = bad
        #expect(vd_all_finite(y, n) == 0)
        vd_range(y, n, &low, &high)
        #expect(bad.isNaN ? low.isNaN && high.isNaN : bad > 0 ? high == bad && low.isFinite || n == 1 : low == bad)
      }
    }
    #expect(vd_all_finite([.greatestFiniteMagnitude, -.leastNonzeroMagnitude], 2) == 1)
  }

  @Test("Sums over rows and columns, and their gradients, are exact", arguments: shapes)
  func rowsAndColumns(rows: Int, columns: Int) {
    var random = Random(state: UInt64(rows * 1_000 + columns))
    let x = random.integers(rows * columns), row = random.integers(rows), column = random.integers(columns)
    var sums = column
    vd_column_sums(&sums, x, rows, columns)
    #expect(sums == (0..<columns).map { j in (0..<rows).reduce(column[j]) { $0 + x[$1 * columns + j] } })
    var y = [Float](repeating: .nan, count: rows)
    vd_row_sums(&y, x, rows, columns)
    #expect(y == (0..<rows).map { i in (0..<columns).reduce(0) { $0 + x[i * columns + $1] } })
    var gradient = x
    vd_row_sums_backward(&gradient, row, rows, columns)
    #expect(gradient == x.indices.map { x[$0] + row[$0 / columns] })
    gradient = x
    let residual = random.integers(rows * columns)
    vd_scale_rows_add(&gradient, row, residual, rows, columns)
    #expect(gradient == x.indices.map { x[$0] + row[$0 / columns] * residual[$0] })

    // Columns are copied into the middle of wider rows, and back.
    let total = columns + 5, at = 3
    var wide = [Float](repeating: 9, count: rows * total)
    vd_copy_columns(&wide, x, rows, columns, total, at)
    for i in 0..<rows {
      #expect(Array(wide[i * total + at..<i * total + at + columns]) == Array(x[i * columns..<(i + 1) * columns]))
    }
    #expect(wide.filter { $0 == 9 }.count == rows * 5)
    var back = x
    vd_copy_columns_backward(&back, wide, rows, columns, total, at)
    #expect(back == x.map { 2 * $0 })
  }

  @Test("Weighted sums are computed in Double and ignore values without weight", arguments: shapes)
  func weightedSums(rows: Int, columns: Int) {
    var random = Random(state: UInt64(rows + columns))
    var x = random.floats(rows * columns, in: -1e3...1e3)
    var w = (0..<rows).map { Float($0 % 3) }
    w[0] = 0
    for j in 0..<columns { x[j] = [.nan, .infinity][j % 2] }
    var total = [Double](repeating: 1, count: columns), squares = [Double](repeating: 2, count: columns)
    vd_weighted_column_sums(&total, &squares, x, w, rows, columns)
    for j in 0..<columns {
      let values = (0..<rows).filter { w[$0] != 0 }.map { (Double(w[$0]), Double(x[$0 * columns + j])) }
      #expect(total[j] == values.reduce(1) { $0 + $1.0 * $1.1 })
      #expect(abs(squares[j] - values.reduce(2) { $0 + $1.0 * $1.1 * $1.1 }) <= 1e-15 * squares[j] * Double(rows))
    }
    let first = (0..<rows).map { x[$0 * columns] }
    #expect(
      vd_weighted_sum(first, w, rows)
        == (0..<rows).reduce(0.0) { $0 + (w[$1] == 0 ? 0 : Double(w[$1]) * Double(first[$1])) })
  }

  @Test("Buffers are zeroed and aligned to 64 bytes", arguments: [0, 1, 15, 16, 17, 1_000, 100_003])
  func buffers(count: Int) {
    let buffer = Buffer(count: count)
    #expect(Int(bitPattern: buffer.base) % 64 == 0)
    #expect(buffer.bytes.count == 4 * count && buffer.bytes.allSatisfy { $0 == 0 })
    for i in 0..<count { buffer.base[i] = 1 }
    buffer.base.zero(count)
    #expect(buffer.bytes.allSatisfy { $0 == 0 })
    let words = Buffer.allocate(UInt64.self, count: count)
    #expect(Int(bitPattern: words) % 64 == 0)
    words.deallocate()
  }

  @Test("SHA-256 gives the digests of FIPS 180-4, for whole messages and in parts")
  func digest() {
    let messages = [
      "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq":
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ]
    for (message, digest) in messages {
      let whole = SHA256()
      whole.update(message)
      #expect(whole.finish() == digest)
      let parts = SHA256()
      for character in message { parts.update(String(character)) }
      #expect(parts.finish() == digest)
    }
  }
}

@Suite struct AdamTests {
  private struct Trace: Decodable {
    struct Case: Decodable {
      let optimizer: String
      let weightDecay: Double
      let after, afterFloat64: [[Double]]
    }
    let learningRate, eps: Double
    let betas: [Double]
    let start: [Float]
    let gradients: [[Float]]
    let cases: [Case]
  }

  @Test("Adam and AdamW follow the traces of torch.optim, with and without decay, at every magnitude")
  func traces() throws {
    let trace = try fixture("adam.json", as: Trace.self)
    #expect(trace.cases.count == 4)
    for reference in trace.cases {
      var p = trace.start, m = [Float](repeating: 0, count: p.count), v = m
      let isDecoupled = reference.optimizer == "adamw", rate = trace.learningRate, decay = reference.weightDecay
      for (t, gradient) in trace.gradients.enumerated() {
        let n = Double(t + 1)
        var settings = vd_adam_settings(
          scale: 1, rest1: Float(1 - trace.betas[0]), beta2: Float(trace.betas[1]), rest2: Float(1 - trace.betas[1]),
          epsilon: Float(trace.eps),
          step: Float(rate / (1 - pow(trace.betas[0], n))), root: Float(1 / (1 - pow(trace.betas[1], n)).squareRoot()),
          keep: isDecoupled ? Float(1 - rate * decay) : 1, l2: isDecoupled ? 0 : Float(decay), average: 0)
        vd_adam(&p, &m, &v, gradient, p.count, &settings)
        for i in p.indices {
          let exact = reference.afterFloat64[t][i]
          // An update is about as large as the rate. Each update and the sum round in their last digits.
          let tolerance = (n * rate * 8 + abs(exact) * n) * ulp / 2
          #expect(
            abs(Double(p[i]) - exact) <= max(tolerance, 2 * abs(reference.after[t][i] - exact)),
            "\(reference.optimizer) \(decay), step \(t), element \(i): \(p[i]), \(exact)")
        }
      }
    }
  }

  @Test(
    "A scale factor equals a scaled gradient, and odd sizes do not change neighbouring values",
    arguments: [1, 7, 16, 33])
  func scaling(n: Int) {
    var random = Random(state: UInt64(n))
    let start = random.floats(n + 1), gradient = random.floats(n + 1)
    var settings = vd_adam_settings(
      scale: 0.25, rest1: 0.1, beta2: 0.999, rest2: 0.001, epsilon: 1e-8, step: 0.01, root: 1, keep: 1, l2: 0,
      average: 0)
    var p = start, m = [Float](repeating: 0, count: n + 1), v = m
    vd_adam(&p, &m, &v, gradient, n, &settings)
    #expect(p[n] == start[n] && m[n] == 0 && v[n] == 0)
    settings.scale = 1
    var q = start, m2 = [Float](repeating: 0, count: n + 1), v2 = m2
    vd_adam(&q, &m2, &v2, gradient.map { $0 * 0.25 }, n, &settings)  // a power of two, so that products are exact
    #expect(p == q && m == m2 && v == v2)
    // With an average, the update is the same, and neighbouring values do not change either.
    var r = start, m3 = [Float](repeating: 0, count: n + 1), v3 = m3, average = start
    settings.average = 0.25
    vd_adam_averaged(&r, &m3, &v3, &average, gradient.map { $0 * 0.25 }, n, &settings)
    #expect(r == p && m3 == m && v3 == v && average[n] == start[n])
    for i in 0..<n { #expect(abs(average[i] - (start[i] + 0.25 * (p[i] - start[i]))) <= 1e-6) }
  }
}
