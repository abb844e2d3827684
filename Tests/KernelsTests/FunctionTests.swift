import Foundation
import Kernels
import TestSupport
import Testing

/// An elementwise kernel, and the function that it should compute, in double precision.
struct Function: Sendable, CustomTestStringConvertible {
  let name: String
  let code: Int
  let exact: @Sendable (Double) -> Double
  /// Allowed error at x, which the rounding of the arithmetic explains.
  let tolerance: @Sendable (_ x: Double, _ y: Double) -> Double
  var testDescription: String { name }

  func callAsFunction(_ x: [Float]) -> [Float] {
    var y = x, before = x
    let bias = [Float](repeating: 0, count: x.count)
    vd_bias_activation(&y, &before, bias, 1, x.count, Int32(code))
    return y
  }
}

private func sigmoid(_ x: Double) -> Double { x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)) }

/// Smallest value of exp(x) in the fused functions, which limit x to -87.
private let least = exp(-87.0) * (1 + 4 * ulp)

private let functions: [Function] = [
  Function(name: "identity", code: Int(VD_IDENTITY), exact: { $0 }, tolerance: { _, _ in 0 }),
  Function(name: "relu", code: Int(VD_RELU), exact: { max($0, 0) }, tolerance: { _, _ in 0 }),
  Function(
    name: "leaky_relu", code: Int(VD_LEAKY_RELU), exact: { $0 > 0 ? $0 : 0.01 * $0 },
    // 0.01 is not a float32, and denormal results lose digits.
    tolerance: { _, y in abs(y) * ulp + 0x1p-149 }),
  Function(
    name: "elu", code: Int(VD_ELU), exact: { $0 > 0 ? $0 : expm1($0) },
    // exp(x) - 1 has the rounding of a number near 1.
    tolerance: { x, _ in x > 0 ? 0 : 2 * ulp }),
  Function(name: "tanh", code: Int(VD_TANH), exact: { tanh($0) }, tolerance: { _, y in 2 * ulp * abs(y) + 0x1p-149 }),
  Function(
    name: "sigmoid", code: Int(VD_SIGMOID), exact: sigmoid, tolerance: { _, y in 3 * ulp * y + least }),
  Function(
    name: "softplus", code: Int(VD_SOFTPLUS), exact: { max($0, 0) + log1p(exp(-abs($0))) },
    tolerance: { _, y in 3 * ulp * y + least }),
  Function(
    name: "silu", code: Int(VD_SILU), exact: { $0 * sigmoid($0) },
    tolerance: { x, y in 4 * ulp * abs(y) + abs(x) * least + 0x1p-149 }),
  Function(
    name: "gelu", code: Int(VD_GELU),
    exact: { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) },
    // 1 + tanh has the rounding of 1, and x^3 carries three roundings into a slope of at most 1.
    tolerance: { x, y in 2 * ulp * abs(x) + 4 * ulp * abs(y) + 0x1p-149 }),
]

/// Values from denormal to 1e30, near every threshold in the kernels, and on a fine grid where functions bend.
private let points: [Float] = {
  var all: [Float] = [
    0, -0.0, 0x1p-149, -0x1p-149, 0x1p-133, -0x1p-133, 1e30, -1e30, 0.625, -0.625, 87, -87, 88, -88, 88.72, 89, -89,
  ]
  for center: Float in [0.625, 87, 87.33654, 88, 88.72283, 100, 103.97, 104] {
    for sign: Float in [1, -1] { all += [sign * center, sign * center.nextUp, sign * center.nextDown] }
  }
  for exponent in -44...30 {
    for mantissa in [1.0, 1.7, 3.3, 7.9] {
      all += [Float(mantissa * pow(10, Double(exponent))), -Float(mantissa * pow(10, Double(exponent)))]
    }
  }
  all += stride(from: Float(-100), through: 100, by: 0.00731)
  return all
}()

@Suite struct FunctionTests {
  @Test("Activations are as exact as their rounding allows, at every magnitude", arguments: functions)
  func accuracy(f: Function) {
    let values = f(points)
    var worst = (excess: 0.0, x: Float(0))
    for (x, y) in zip(points, values) {
      let exact = f.exact(Double(x))
      let excess = abs(Double(y) - exact) - f.tolerance(Double(x), exact)
      if !(excess <= worst.excess) { worst = (excess, x) }
    }
    #expect(worst.excess == 0, "\(f.name)(\(worst.x)) = \(f([worst.x])[0]), is \(f.exact(Double(worst.x)))")
  }

  @Test("NaN stays NaN in every lane with any payload", arguments: functions)
  func propagatesNaN(f: Function) {
    let payloads: [UInt32] = [0x7fc0_0000, 0xffc0_0000, 0x7fc0_0001, 0x7fff_ffff, 0xffff_ffff, 0x7fc1_2345]
    for bits in payloads {
      for width in [1, 7, 16, 37] {
        for place in 0..<width {
          var x = [Float](repeating: 0.5, count: width)
          x[place] = Float(bitPattern: bits)
          let y = f(x)
          #expect(y[place].isNaN && y.filter(\.isNaN).count == 1, "\(f.name), payload \(String(bits, radix: 16))")
        }
      }
    }
  }

  @Test("Infinities give the limits of the function")
  func infinities() {
    let limits: [String: (Float, Float)] = [
      "identity": (-.infinity, .infinity), "relu": (0, .infinity), "leaky_relu": (-.infinity, .infinity),
      "elu": (-1, .infinity), "tanh": (-1, 1), "sigmoid": (0, 1), "softplus": (0, .infinity),
    ]
    for f in functions {
      guard let (low, high) = limits[f.name] else { continue }
      let y = f([-.infinity, .infinity])
      #expect(y[1] == high && (y[0] == low || abs(y[0] - low) <= Float(least) * 1.01), "\(f.name): \(y)")
    }
  }

  @Test("exp is exact to 2 ulp, and gives 0 and infinity beyond the range of float32")
  func exponential() {
    var y = [Float](repeating: 0, count: points.count)
    vd_exp(&y, points, points.count)
    for (x, value) in zip(points, y) {
      let exact = exp(Double(x))
      if x < -87.33654 {
        #expect(value == 0, "exp(\(x))")
      } else if x > 88.72283 {
        #expect(value == .infinity, "exp(\(x))")
      } else {
        #expect(abs(Double(value) - exact) <= 2 * ulp * exact, "exp(\(x)) = \(value), is \(exact)")
      }
    }
    let special: [Float] = [.nan, .infinity, -.infinity, Float(bitPattern: 0x7fc0_0001)]
    var out = [Float](repeating: 0, count: 4)
    vd_exp(&out, special, 4)
    #expect(out[0].isNaN && out[1] == .infinity && out[2] == 0 && out[3].isNaN)
  }

  @Test("sigmoid without a bias equals sigmoid with a bias of zero, bit for bit")
  func sigmoidAlone() {
    var y = [Float](repeating: 0, count: points.count)
    vd_sigmoid(&y, points, points.count)
    #expect(y == functions[5](points))
  }

  @Test("The bias is added per column before the activation, and functions that need their input keep it")
  func bias() {
    var random = Random(state: 1)
    for (rows, columns) in [(1, 1), (3, 5), (7, 17), (2, 33)] {
      let x = random.floats(rows * columns), bias = random.floats(columns)
      let sums = x.indices.map { x[$0] + bias[$0 % columns] }
      for f in functions {
        var y = x, before = [Float](repeating: .nan, count: x.count)
        vd_bias_activation(&y, &before, bias, rows, columns, Int32(f.code))
        #expect(y == f(sums))
        if f.name == "silu" || f.name == "gelu" { #expect(before == sums) }
      }
    }
  }

  @Test("The slope of a function from its output or its kept input is the derivative", arguments: functions)
  func slopes(f: Function) {
    // Away from the kink at 0, and where slopes are larger than their rounding.
    let x = stride(from: Float(-12), through: 12, by: 0.0137).filter { abs($0) > 1e-3 }
    var y = x, before = x, slope = [Float](repeating: 1, count: x.count)
    let zeros = [Float](repeating: 0, count: x.count)
    vd_bias_activation(&y, &before, zeros, 1, x.count, Int32(f.code))
    vd_activation_backward(&slope, y, before, x.count, Int32(f.code))
    for i in x.indices {
      let h = 1e-5, at = Double(x[i])
      let exact = (f.exact(at + h) - f.exact(at - h)) / (2 * h)
      // This allows a few roundings of numbers near 1, times x if the slope has that factor, and h^2.
      #expect(abs(Double(slope[i]) - exact) < 6 * ulp * max(1, abs(at)) + 1e-9, "\(f.name)'(\(x[i]))")
    }
  }

  @Test("The slope is finite wherever the function is finite", arguments: functions)
  func extremeSlopes(f: Function) {
    let x: [Float] = [1e30, -1e30, 1e19, -1e19, 1e4, -1e4, 88, -88, 0]
    var y = x, before = x, slope = [Float](repeating: 1, count: x.count)
    let zeros = [Float](repeating: 0, count: x.count)
    vd_bias_activation(&y, &before, zeros, 1, x.count, Int32(f.code))
    vd_activation_backward(&slope, y, before, x.count, Int32(f.code))
    for (x, slope) in zip(x, slope) { #expect(slope >= -0.2 && slope <= 1.2, "\(f.name)'(\(x)) = \(slope)") }
  }
}
