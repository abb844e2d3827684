import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct NormalizationTests {
  /// Values with deviation 1 around a mean, in single precision.
  private func image(_ count: Int, mean: Float) -> [Float] {
    var random = Random(state: UInt64(count))
    return (0..<count).map { _ in mean + Float.random(in: -1.732...1.732, using: &random) }
  }

  private func standardized(_ x: [Float]) -> [Double] {
    let n = Double(x.count), mean = x.reduce(0) { $0 + Double($1) } / n
    let variance = x.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / n
    return x.map { (Double($0) - mean) / (variance + 1e-5).squareRoot() }
  }

  @Test("A mean far from 0 adds no error except its own rounding", arguments: [Float(0), 1, -30, 1_000, 3e4])
  func offset(mean: Float) {
    // This allows one rounding of the mean relative to a deviation, and those of 16,384 additions in blocks.
    let tolerance = ulp * Double(max(4, abs(mean)))
    let channels = 16, pixels = 1_024
    let ones = [Float](repeating: 1, count: 2 * channels), zeros = [Float](repeating: 0, count: 2 * channels)
    var x = image(channels * pixels, mean: mean)
    var y = [Float](repeating: .nan, count: x.count), statistics: [Float] = [.nan, .nan]
    var work = [Float](repeating: .nan, count: vd_group_norm_work(channels))
    x += zeros  // readable
    vd_group_norm(&y, &statistics, &work, x, ones, zeros, 1, pixels, channels, 1, 1e-5, Int32(VD_IDENTITY))
    let exact = standardized(Array(x.dropLast(zeros.count)))
    for (y, exact) in zip(y, exact) { #expect(abs(Double(y) - exact) <= tolerance) }

    let columns = 1_000
    let weight = [Float](repeating: 1, count: columns), bias = [Float](repeating: 0, count: columns)
    let row = image(columns, mean: mean)
    var z = [Float](repeating: .nan, count: columns)
    vd_layer_norm(&z, &statistics, row, weight, bias, 1, columns, 1e-5)
    for (z, exact) in zip(z, standardized(row)) { #expect(abs(Double(z) - exact) <= tolerance) }
  }

  @Test("Constant values are normalised to the bias, and their gradient is finite")
  func constant() {
    let channels = 5, pixels = 7
    let weight = (0..<channels).map { Float($0) + 16 }, bias = (0..<channels).map { Float($0) - 2 }
    let spare = [Float](repeating: 0, count: 16)
    let x = [Float](repeating: 8, count: channels * pixels) + spare
    var y = [Float](repeating: .nan, count: channels * pixels), statistics: [Float] = [.nan, .nan]
    var work = [Float](repeating: .nan, count: vd_group_norm_work(channels))
    vd_group_norm(&y, &statistics, &work, x, weight, bias, 1, pixels, channels, 1, 1e-5, Int32(VD_IDENTITY))
    #expect(y == (0..<pixels).flatMap { _ in bias })
    var gx = [Float](repeating: .nan, count: y.count), gy = y + spare
    vd_group_norm_backward(
      &gx, nil, nil, &gy, &work, y, statistics, x, weight, bias, 1, pixels, channels, 1, 0, Int32(VD_IDENTITY))
    #expect(gx.allSatisfy { $0.isFinite })
  }

  @Test("Large constants are normalised to finite values in spite of cancellation", arguments: 1...64)
  func cancellation(count: Int) {
    for value in [3.33e8, 3.33e11, -3.33e14] as [Float] {
      let x = [Float](repeating: value, count: count + 16), ones = [Float](repeating: 1, count: count)
      var y = [Float](repeating: .nan, count: count), statistics: [Float] = [.nan, .nan]
      var work = [Float](repeating: .nan, count: vd_group_norm_work(1))
      vd_group_norm(&y, &statistics, &work, x, ones, ones, 1, count, 1, 1, 1e-5, Int32(VD_IDENTITY))
      #expect(statistics[1] > 0 && y.allSatisfy { $0.isFinite }, "pixels of \(value)")
      vd_layer_norm(&y, &statistics, x, ones, ones, 1, count, 1e-5)
      #expect(statistics[1] > 0 && y.allSatisfy { $0.isFinite }, "a row of \(value)")
    }
  }

  @Test(
    "Normalisation kernels write only their operands",
    arguments: [(1, 1, 1), (3, 5, 5), (2, 3, 33), (1, 200, 17), (1, 2, 2_100)])
  func bounds(samples: Int, pixels: Int, channels: Int) {
    let count = samples * pixels * channels
    let ones = [Float](repeating: 1, count: channels)
    let results = GuardedFloats.Side.allCases.map { side in
      func guarded(_ values: [Float], slack: Int = 0) -> GuardedFloats { GuardedFloats(values, at: side, slack: slack) }
      func empty(_ count: Int) -> GuardedFloats { guarded([Float](repeating: .nan, count: count)) }
      let x = guarded(image(count, mean: 1), slack: 64), gy = guarded(image(count, mean: 0), slack: 64)
      let y = empty(count), gx = empty(count), statistics = empty(2 * samples)
      let work = empty(vd_group_norm_work(channels))
      let weight = guarded(ones), bias = guarded(ones), gw = guarded(ones), gb = guarded(ones)
      vd_group_norm(
        y.base, statistics.base, work.base, x.base, weight.base, bias.base, samples, pixels, channels, 1, 1e-5,
        Int32(VD_SILU))
      vd_group_norm_backward(
        gx.base, gw.base, gb.base, gy.base, work.base, y.base, statistics.base, x.base, weight.base, bias.base,
        samples, pixels, channels, 1, 0, Int32(VD_SILU))
      let all = [x, gy, y, gx, statistics, work, weight, bias, gw, gb]
      #expect(all.allSatisfy { $0.isUntouchedAround })
      return [y, gx, gw, gb].map(\.values)
    }
    #expect(results[0] == results[1] && results[0].joined().allSatisfy { $0.isFinite })
  }

  @Test("Normalisation kernels of rows write only their operands", arguments: [1, 5, 16, 33])
  func rowBounds(columns: Int) {
    let rows = 3, ones = [Float](repeating: 1, count: columns)
    let results = GuardedFloats.Side.allCases.map { side in
      func guarded(_ values: [Float]) -> GuardedFloats { GuardedFloats(values, at: side) }
      func empty(_ count: Int) -> GuardedFloats { guarded([Float](repeating: .nan, count: count)) }
      let x = guarded(image(rows * columns, mean: 1)), gy = guarded(image(rows * columns, mean: 0))
      let y = empty(rows * columns), gx = empty(rows * columns), statistics = empty(2 * rows)
      let weight = guarded(ones), bias = guarded(ones), gw = guarded(ones), gb = guarded(ones)
      vd_layer_norm(y.base, statistics.base, x.base, weight.base, bias.base, rows, columns, 1e-5)
      vd_layer_norm_backward(
        gx.base, gw.base, gb.base, gy.base, statistics.base, x.base, weight.base, rows, columns, 0)
      #expect([x, gy, y, gx, statistics, weight, bias, gw, gb].allSatisfy { $0.isUntouchedAround })
      return [y, gx, gw, gb].map(\.values)
    }
    #expect(results[0] == results[1] && results[0].joined().allSatisfy { $0.isFinite })
  }
}
