import Glibc
import Kernels

/// Operators over images of shape (batch, channels, rows, columns).
extension PortableOperator {
  /// Kernel, strides and padding of an operator with a window. The padding is the same on all sides.
  private func window() throws(Failure) -> (kernel: [Int], strides: [Int], padding: Int) {
    let kernel = try integers("kernel_shape"), strides = try integers("strides"), padding = try integers("pads")
    guard kernel.count == 2, strides.count == 2, padding.count == 4, Set(padding).count == 1 else {
      throw fault("has a window of \(kernel), \(strides) and \(padding)")
    }
    return (kernel, strides, padding[0])
  }

  private func image(_ n: Int) throws(Failure) -> PortableArray {
    let x = try input(n)
    guard x.extents.count == 4 else { throw fault("has an input of \(x.extents)") }
    return x
  }

  func convolution() throws(Failure) -> PortableArray {
    let x = try image(0), weight = try image(1), bias = try input(2), groups = integer("group", 1)
    let (kernel, strides, padding) = try window()
    let (samples, depth, outputs) = (x.extents[0], weight.extents[1], weight.extents[0])
    guard x.extents[1] == depth * groups, outputs % groups == 0, bias.numbers.count == outputs,
      Array(weight.extents[2...]) == kernel
    else { throw fault("has inputs of \(x.extents), \(weight.extents) and \(bias.extents)") }
    let large = Array(x.extents[2...])
    let small = (0..<2).map { (large[$0] + 2 * padding - kernel[$0]) / strides[$0] + 1 }
    let pixels = small[0] * small[1]
    var y = [Double](repeating: 0, count: samples * outputs * pixels)
    for plane in 0..<samples * outputs {
      let (sample, output) = (plane / outputs, plane % outputs)
      for pixel in 0..<pixels { y[plane * pixels + pixel] = bias.numbers[output] }
      for channel in 0..<depth {
        let from = (sample * x.extents[1] + output / (outputs / groups) * depth + channel) * large[0] * large[1]
        let taps = (output * depth + channel) * kernel[0] * kernel[1]
        eachTap(kernel, strides, padding, large: large, small: small) { tap, place, pixel in
          y[plane * pixels + pixel] += x.numbers[from + place] * weight.numbers[taps + tap]
        }
      }
    }
    return PortableArray([samples, outputs] + small, y)
  }

  func transposedConvolution() throws(Failure) -> PortableArray {
    let x = try image(0), weight = try image(1), bias = try input(2), groups = integer("group", 1)
    let (kernel, strides, padding) = try window(), rest = try integers("output_padding")
    let (samples, inputs, depth) = (x.extents[0], weight.extents[0], weight.extents[1])
    guard x.extents[1] == inputs, inputs % groups == 0, bias.numbers.count == depth * groups, rest.count == 2,
      Array(weight.extents[2...]) == kernel
    else { throw fault("has inputs of \(x.extents), \(weight.extents) and \(bias.extents)") }
    let small = Array(x.extents[2...])
    let large = (0..<2).map { (small[$0] - 1) * strides[$0] + rest[$0] + kernel[$0] - 2 * padding }
    let pixels = large[0] * large[1], outputs = depth * groups
    var y = [Double](repeating: 0, count: samples * outputs * pixels)
    for plane in 0..<samples * outputs {
      for pixel in 0..<pixels { y[plane * pixels + pixel] = bias.numbers[plane % outputs] }
    }
    for plane in 0..<samples * inputs {
      let (sample, channel) = (plane / inputs, plane % inputs)
      for output in 0..<depth {
        let to = (sample * outputs + channel / (inputs / groups) * depth + output) * pixels
        let taps = (channel * depth + output) * kernel[0] * kernel[1]
        eachTap(kernel, strides, padding, large: large, small: small) { tap, place, pixel in
          y[to + place] += x.numbers[plane * small[0] * small[1] + pixel] * weight.numbers[taps + tap]
        }
      }
    }
    return PortableArray([samples, outputs] + large, y)
  }

  func averagePool() throws(Failure) -> PortableArray {
    let x = try image(0), counts = integer("count_include_pad", 0) == 1
    let (kernel, strides, padding) = try window()
    let large = Array(x.extents[2...])
    let small = (0..<2).map { (large[$0] + 2 * padding - kernel[$0]) / strides[$0] + 1 }
    let pixels = small[0] * small[1], planes = x.extents[0] * x.extents[1]
    var y = [Double](repeating: 0, count: planes * pixels), met = [Double](repeating: 0, count: pixels)
    eachTap(kernel, strides, padding, large: large, small: small) { _, _, pixel in met[pixel] += 1 }
    for plane in 0..<planes {
      eachTap(kernel, strides, padding, large: large, small: small) { _, place, pixel in
        let share = counts ? Double(kernel[0] * kernel[1]) : met[pixel]
        y[plane * pixels + pixel] += x.numbers[plane * large[0] * large[1] + place] / share
      }
    }
    return PortableArray(Array(x.extents[..<2]) + small, y)
  }

  /// Calls `body` for every pixel of the small image and every tap of its window that lies inside the large image.
  @inline(__always)
  private func eachTap(
    _ kernel: [Int], _ strides: [Int], _ padding: Int, large: [Int], small: [Int],
    _ body: (_ tap: Int, _ large: Int, _ small: Int) -> Void
  ) {
    for ky in 0..<kernel[0] {
      for kx in 0..<kernel[1] {
        for row in 0..<small[0] {
          let y = row * strides[0] - padding + ky
          guard y >= 0, y < large[0] else { continue }
          for column in 0..<small[1] {
            let x = column * strides[1] - padding + kx
            guard x >= 0, x < large[1] else { continue }
            body(ky * kernel[1] + kx, y * large[1] + x, row * small[1] + column)
          }
        }
      }
    }
  }

  /// Normalises each channel of each sample to mean 0 and variance 1, and then applies scale and shift.
  /// (batch, channels, ...)
  func instanceNorm() throws(Failure) -> PortableArray {
    let x = try input(0), scale = try input(1), shift = try input(2)
    guard x.extents.count > 2, scale.numbers.count == x.extents[1], shift.numbers.count == x.extents[1] else {
      throw fault("has inputs of \(x.extents), \(scale.extents) and \(shift.extents)")
    }
    return normalized(x, run: x.extents[2...].reduce(1, *)) { place, value in
      let channel = place / x.extents[2...].reduce(1, *) % x.extents[1]
      return value * scale.numbers[channel] + shift.numbers[channel]
    }
  }

  func layerNorm() throws(Failure) -> PortableArray {
    let x = try input(0), scale = try input(1), shift = try input(2), width = x.extents.last ?? 1
    guard integer("axis", -1) == -1, scale.numbers.count == width, shift.numbers.count == width else {
      throw fault("has inputs of \(x.extents), \(scale.extents) and \(shift.extents)")
    }
    return normalized(x, run: width) { $1 * scale.numbers[$0 % width] + shift.numbers[$0 % width] }
  }

  private func normalized(
    _ x: PortableArray, run: Int, _ f: (_ place: Int, _ value: Double) -> Double
  ) -> PortableArray {
    var y = x
    let epsilon = float("epsilon", 1e-5)
    for first in stride(from: 0, to: x.numbers.count, by: run) {
      let values = x.numbers[first..<first + run], mean = values.reduce(0, +) / Double(run)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(run)
      for place in first..<first + run {
        y.numbers[place] = f(place, (x.numbers[place] - mean) / sqrt(variance + epsilon))
      }
    }
    return y
  }

  /// Moves channels to pixels: channel (k f + i) f + j becomes row i, column j of the f x f pixels of channel k.
  func depthToSpace() throws(Failure) -> PortableArray {
    let x = try image(0), f = integer("blocksize", 1)
    guard node.attributes["mode"] == .text("CRD"), f > 0, x.extents[1] % (f * f) == 0 else {
      throw fault("has an input of \(x.extents)")
    }
    let (rows, columns) = (x.extents[2], x.extents[3])
    let extents = [x.extents[0], x.extents[1] / (f * f), rows * f, columns * f]
    let numbers = (0..<x.numbers.count).map { i in
      let (column, row, plane) = (i % extents[3], i / extents[3] % extents[2], i / (extents[3] * extents[2]))
      let channel = plane * f * f + row % f * f + column % f
      return x.numbers[(channel * rows + row / f) * columns + column / f]
    }
    return PortableArray(extents, numbers)
  }

  /// Nearest-neighbour upsampling by integer factors.
  func resize() throws(Failure) -> PortableArray {
    let x = try image(0), scales = try list(2)
    guard scales.count == 4, scales[0] == 1, scales[1] == 1, scales[2] > 0, scales[3] > 0,
      node.attributes["mode"] == .text("nearest")
    else { throw fault("cannot resize \(x.extents) by \(scales)") }
    let (rows, columns) = (x.extents[2] * scales[2], x.extents[3] * scales[3])
    let numbers = (0..<x.extents[0] * x.extents[1] * rows * columns).map { i in
      let (column, row, plane) = (i % columns, i / columns % rows, i / (columns * rows))
      return x.numbers[(plane * x.extents[2] + row / scales[2]) * x.extents[3] + column / scales[3]]
    }
    return PortableArray([x.extents[0], x.extents[1], rows, columns], numbers)
  }
}
