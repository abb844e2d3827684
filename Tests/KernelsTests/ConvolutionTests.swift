import Kernels
import TestSupport
import Testing

/// The levels of this CPU: 2 (baseline), 3 (AVX2), 4 (AVX-512); or only 0 on other architectures.
private let levels: [Int32] = vd_cpu_level() < 2 ? [0] : Array(2...vd_cpu_level())

/// Numbers of channels that fill vectors, and that leave a rest after one or two vectors of any level.
private let channelCounts = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49]
/// Readable bytes after an operand that is loaded in whole vectors.
private let slack = 64

/// The sum that a kernel computes, in double precision, and the size of its terms.
private struct Sums {
  private(set) var values: [Double]
  private var sizes: [Double]

  init(_ start: [Float]) {
    values = start.map(Double.init)
    sizes = values.map(abs)
  }

  mutating func set(_ i: Int, _ value: Float) { (values[i], sizes[i]) = (Double(value), abs(Double(value))) }

  mutating func add(_ i: Int, _ a: Float, _ b: Float) {
    values[i] += Double(a) * Double(b)
    sizes[i] += abs(Double(a) * Double(b))
  }

  /// Returns the first value with an error above `terms` roundings of the sum (0 for whole numbers). Values that were
  /// NaN must still be NaN.
  func firstWrong(in result: [Float], terms: Int, whole: Bool) -> String? {
    for (i, value) in values.enumerated() {
      let bound = whole ? 0 : ulp * Double(terms + 2) * sizes[i]
      if value.isNaN ? result[i].isNaN : abs(Double(result[i]) - value) <= bound { continue }
      return "element \(i) is \(result[i]), not \(value)"
    }
    return nil
  }
}

/// Calls a kernel at every level. Its operands are next to protected pages, once before and once after them. The
/// first `written` operands may be written, and the others must not change. Returns the first operand after each call.
private func run(
  _ operands: [(values: [Float], slack: Int)], written: Int = 1, _ kernel: ([UnsafeMutablePointer<Float>]) -> Void
) -> [(level: Int32, values: [Float])] {
  var results: [(level: Int32, values: [Float])] = []
  for level in levels {
    #expect(vd_conv_choose_level(level) == 1)
    let sides = GuardedFloats.Side.allCases.map { side in
      let memory = operands.map { GuardedFloats($0.values, at: side, slack: $0.slack) }
      kernel(memory.map(\.base))
      let isTidy =
        memory.allSatisfy(\.isUntouchedAround)
        && zip(operands, memory).dropFirst(written).allSatisfy { $0.values == $1.values }
      #expect(isTidy, "level \(level) writes outside its tensor")
      return memory[0].values
    }
    #expect(zip(sides[0], sides[1]).allSatisfy { $0.bitPattern == $1.bitPattern }, "level \(level): alignment matters")
    results.append((level, sides[0]))
  }
  _ = vd_conv_choose_level(0)
  return results
}

extension Random {
  fileprivate mutating func values(_ count: Int, whole: Bool) -> [Float] { whole ? integers(count) : floats(count) }

  /// Up to four runs per pixel over a sample of `extent` values, with their rows of weights. The last reach both ends.
  fileprivate mutating func segments(pixels: Int, extent: Int, rows: Int) -> [[vd_segment]] {
    (0..<pixels).map { pixel in
      let count = Int32(min(5, extent, rows))
      if pixel == pixels - 1 { return [vd_segment(at: Int32(extent) - count, row: Int32(rows) - count, count: count)] }
      return (0..<pixel % 5).map { _ in
        let count = Int32.random(in: 1...min(7, Int32(min(extent, rows))), using: &self)
        return vd_segment(
          at: .random(in: 0...Int32(extent) - count, using: &self),
          row: .random(in: 0...Int32(rows) - count, using: &self), count: count)
      }
    }
  }
}

private func withTable(_ pixels: [[vd_segment]], _ body: (UnsafePointer<vd_conv_table>) -> Void) {
  let start = pixels.reduce(into: [Int32(0)]) { $0.append($0[$0.count - 1] + Int32($1.count)) }
  start.withUnsafeBufferPointer { start in
    pixels.flatMap { $0 }.withUnsafeBufferPointer { segments in
      var table = vd_conv_table(start: start.baseAddress, segments: segments.baseAddress, positions: pixels.count)
      body(&table)
    }
  }
}

@Suite struct ConvolutionTests {
  @Test("A level that the CPU does not have is refused")
  func refused() {
    #expect(vd_conv_choose_level(vd_cpu_level() + 1) == 0)
    #expect(levels.allSatisfy { vd_conv_choose_level($0) == 1 } && vd_conv_choose_level(0) == 1)
  }

  @Test("The gather kernel computes its sum at every level and writes nothing else", arguments: channelCounts)
  func gather(channels: Int) {
    enum Start: CaseIterable { case zero, bias, before }
    var random = Random(state: UInt64(channels))
    let pixels = 6, extent = 23, rows = 11
    let xSample = extent + 3, wPitch = channels + 2, yPixel = channels + 1, ySample = pixels * yPixel + 2
    let seen = random.segments(pixels: pixels, extent: extent, rows: rows)
    for samples in [1, 2, 3, 4, 5, 6, 7, 8, 9, 17] {
      for (start, whole) in Start.allCases.flatMap({ start in [true, false].map { (start, $0) } }) {
        let x = random.values((samples - 1) * xSample + extent, whole: whole)
        let w = random.values((rows - 1) * wPitch + channels, whole: whole)
        let bias = random.values(channels, whole: whole)
        let count = (samples - 1) * ySample + (pixels - 1) * yPixel + channels
        // With NaN, reading values that are not accumulated would be noticed.
        let y = start == .before ? random.values(count, whole: whole) : [Float](repeating: .nan, count: count)
        var sums = Sums(y)
        for (n, i) in (0..<samples).flatMap({ n in (0..<pixels).map { (n, $0) } }) {
          for c in 0..<channels {
            let to = n * ySample + i * yPixel + c
            if start != .before { sums.set(to, start == .bias ? bias[c] : 0) }
            for run in seen[i] {
              for k in 0..<Int(run.count) {
                sums.add(to, x[n * xSample + Int(run.at) + k], w[(Int(run.row) + k) * wPitch + c])
              }
            }
          }
        }
        let results = run([(y, 0), (x, 0), (w, slack), (bias, slack)]) { memory in
          let bias = start == .bias ? UnsafePointer(memory[3]) : nil
          withTable(seen) { table in
            vd_conv_gather(
              memory[0], ySample, yPixel, memory[1], xSample, memory[2], wPitch, bias, start == .before ? 1 : 0,
              channels, samples, table)
          }
        }
        for (level, values) in results {
          let wrong = sums.firstWrong(in: values, terms: 28, whole: whole)
          #expect(wrong == nil, "level \(level), \(samples) samples, \(start)")
        }
      }
    }
  }

  @Test("The scatter kernel computes its sum at every level and writes nothing else", arguments: channelCounts)
  func scatter(columns: Int) {
    var random = Random(state: UInt64(columns))
    let pixels = 6, extent = 29
    let seen = random.segments(pixels: pixels, extent: extent, rows: columns)
    for samples in [1, 2, 3, 4, 5, 6, 7, 8, 9, 17] {
      for (depth, whole) in [(1, true), (6, true), (6, false)] {
        let xPixel = depth + 1, xSample = pixels * xPixel + 2, ySample = extent + 3
        let x = random.values((samples - 1) * xSample + (pixels - 1) * xPixel + depth, whole: whole)
        let w = random.values(depth * columns, whole: whole)
        let y = random.values((samples - 1) * ySample + extent, whole: whole)
        var sums = Sums(y)
        for (n, i) in (0..<samples).flatMap({ n in (0..<pixels).map { (n, $0) } }) {
          for run in seen[i] {
            for (k, d) in (0..<Int(run.count)).flatMap({ k in (0..<depth).map { (k, $0) } }) {
              sums.add(
                n * ySample + Int(run.at) + k, x[n * xSample + i * xPixel + d], w[d * columns + Int(run.row) + k])
            }
          }
        }
        let patches = [Float](repeating: .nan, count: 8 * columns)
        let results = run([(y, 0), (patches, 0), (x, 0), (w, slack)], written: 2) { memory in
          withTable(seen) { table in
            vd_conv_scatter(
              memory[0], ySample, memory[2], xSample, xPixel, depth, memory[3], columns, memory[1], samples, table)
          }
        }
        for (level, values) in results {
          let wrong = sums.firstWrong(in: values, terms: 16 * depth, whole: whole)
          #expect(wrong == nil, "level \(level), \(samples) samples, depth \(depth)")
        }
      }
    }
  }

  @Test(
    "The kernel for weight gradients computes its sum at every level and writes nothing else", arguments: channelCounts)
  func outer(channels: Int) {
    var random = Random(state: UInt64(channels))
    let xExtent = 60, smallRows = 3, smallColumns = 4, dRows = 19, dPitch = channels + 2
    let gColumn = channels + 2, gRow = smallColumns * gColumn
    let gExtent = (smallRows * smallColumns - 1) * gColumn + channels
    var strides = vd_box_strides(
      x_sample: xExtent + 1, x_row: 20, x_column: 4, g_sample: gExtent + 3, g_row: gRow, g_column: gColumn)
    // The last box reaches the ends of all three operands.
    let boxes = (1...13).map { count in
      let rows = count == 13 ? 2 : Int.random(in: 1...2, using: &random)
      let columns = count == 13 ? 3 : Int.random(in: 1...3, using: &random)
      func place(_ last: Int) -> Int { count == 13 ? last : Int.random(in: 0...last, using: &random) }
      return vd_box(
        row: Int32(place(dRows - count)), count: Int32(count),
        x: Int32(place(xExtent - (rows - 1) * 20 - (columns - 1) * 4 - count)),
        g: Int32(place(smallRows - rows) * gRow + place(smallColumns - columns) * gColumn), rows: Int32(rows),
        columns: Int32(columns))
    }
    for (samples, block) in [(1, 1), (2, 128), (3, 2), (5, 5), (9, 4)] {
      for whole in [true, false] {
        let d = random.values((dRows - 1) * dPitch + channels, whole: whole)
        let x = random.values((samples - 1) * strides.x_sample + xExtent, whole: whole)
        let g = random.values((samples - 1) * strides.g_sample + gExtent, whole: whole)
        var sums = Sums(d)
        for (box, n) in boxes.flatMap({ box in (0..<samples).map { (box, $0) } }) {
          for (r, q) in (0..<Int(box.rows)).flatMap({ r in (0..<Int(box.columns)).map { (r, $0) } }) {
            for (k, c) in (0..<Int(box.count)).flatMap({ k in (0..<channels).map { (k, $0) } }) {
              sums.add(
                (Int(box.row) + k) * dPitch + c,
                x[n * strides.x_sample + Int(box.x) + r * strides.x_row + q * strides.x_column + k],
                g[n * strides.g_sample + Int(box.g) + r * gRow + q * gColumn + c])
            }
          }
        }
        let results = run([(d, 0), (x, 0), (g, slack)]) { memory in
          vd_conv_outer(
            memory[0], dPitch, memory[1], memory[2], channels, samples, block, boxes, boxes.count, &strides)
        }
        for (level, values) in results {
          let wrong = sums.firstWrong(in: values, terms: 13 * samples * 6, whole: whole)
          #expect(wrong == nil, "level \(level), \(samples) samples, blocks of \(block)")
        }
      }
    }
  }

  @Test("Transposing and filling copy values exactly and write nothing else")
  func moving() {
    var random = Random(state: 1)
    for (rows, columns) in [(1, 1), (1, 17), (3, 5), (16, 16), (17, 33), (48, 31), (100, 3)] {
      let x = random.floats((rows - 1) * (columns + 2) + columns)
      let nothing = [Float](repeating: .nan, count: (columns - 1) * (rows + 1) + rows)
      var turned = nothing
      for (i, j) in (0..<rows).flatMap({ i in (0..<columns).map { (i, $0) } }) {
        turned[j * (rows + 1) + i] = x[i * (columns + 2) + j]
      }
      for (_, values) in run(
        [(nothing, 0), (x, 0)], { vd_transpose($0[0], rows + 1, $0[1], columns + 2, rows, columns) })
      {
        #expect(zip(values, turned).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }, "\(rows) x \(columns)")
      }
      let row = random.floats(columns), many = [Float](repeating: .nan, count: rows * columns)
      for (_, values) in run([(many, 0), (row, 0)], { vd_fill_rows($0[0], $0[1], rows, columns) }) {
        #expect(values == (0..<rows).flatMap { _ in row }, "\(rows) x \(columns)")
      }
    }
  }
}
