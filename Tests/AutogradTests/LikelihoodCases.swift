import Autograd
import Foundation

// MARK: Formulas, in double precision

enum Formula {
  static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
  static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  static func continuousBernoulli(_ x: Double, _ l: Double) -> Double {
    max(l, 0) - l * x + (abs(l) < 1e-5 ? -abs(l) / 2 : log(-expm1(-abs(l)) / abs(l)))
  }
  static func continuousBernoulliMean(_ l: Double) -> Double {
    abs(l) < 1e-3 ? 0.5 + l / 12 : -1 / expm1(-l) - 1 / l
  }

  static func gaussianPixel(_ x: Double, _ mean: Double, _ raw: Double) -> Double {
    let s = -6 + softplus(raw + 6)
    return pow(x - mean, 2) * exp(-2 * s) / 2 + s + log(2 * Double.pi) / 2
  }

  static func laplace(_ x: Double, _ mean: Double, _ logScale: Double) -> Double {
    abs(x - mean) * exp(-logScale) + logScale + log(2)
  }

  static func gaussianOptimal(_ x: [Double], _ mean: [Double]) -> Double {
    let square = zip(x, mean).reduce(0) { $0 + pow($1.0 - $1.1, 2) } / Double(x.count), variance = square + exp(-12)
    return Double(x.count) / 2 * (log(2 * Double.pi * variance) + square / variance)
  }

  /// P(x) by its definition, as a difference of two values of the logistic function, taken in the tail where it is
  /// small.
  static func bin(_ x: Double, _ mean: Double, _ raw: Double) -> Double {
    let s = exp(max(raw, -7)), low = (2 * x - 1 - 1.0 / 255 - mean) / s, high = low + 2.0 / 255 / s
    if x < 0.001 { return sigmoid(high) }
    if x > 0.999 { return sigmoid(-low) }
    return low > 0 ? sigmoid(-low) - sigmoid(-high) : sigmoid(high) - sigmoid(low)
  }

  /// Expectation of a logistic variable that is clipped to [-1, 1].
  static func clipped(_ mean: Double, _ raw: Double) -> Double {
    let s = exp(max(raw, -7))
    return s * (softplus((mean + 1) / s) - softplus((mean - 1) / s)) - 1
  }

  /// Means of the channels of one mixture component, given the values of the channels before them.
  static func means(_ p: [Double], _ k: Int, _ shape: LogisticMixture, _ before: [Double]) -> Double {
    let m = shape.mixtures, c = before.count
    var mean = p[m * (1 + 3 * c) + k]
    if c > 0 { mean += tanh(p[m * 3 * c + k]) * before[0] }
    if c > 1 { mean += tanh(p[m * 9 + k]) * before[1] }
    return mean
  }

  static func weights(_ p: [Double], _ shape: LogisticMixture) -> [Double] {
    let e = p[0..<shape.mixtures].map { exp($0) }, total = e.reduce(0, +)
    return e.map { $0 / total }
  }

  /// P(x) of one pixel, from its outputs.
  static func mixture(_ x: [Double], _ p: [Double], _ shape: LogisticMixture) -> Double {
    let m = shape.mixtures
    return weights(p, shape).enumerated().reduce(0) { sum, weight in
      let k = weight.offset
      return sum
        + x.indices.reduce(weight.element) { product, c in
          let mean = means(p, k, shape, x[0..<c].map { 2 * $0 - 1 })
          return product * bin(x[c], mean, p[m * (2 + 3 * c) + k])
        }
    }
  }

  static func mixtureMean(_ p: [Double], _ shape: LogisticMixture) -> [Double] {
    var total = [Double](repeating: 0, count: shape.channels)
    for (k, weight) in weights(p, shape).enumerated() {
      var e: [Double] = []
      for c in 0..<shape.channels {
        e.append(clipped(means(p, k, shape, e), p[shape.mixtures * (2 + 3 * c) + k]))
        total[c] += weight * e[c]
      }
    }
    return total.map { 0.5 + 0.5 * $0 }
  }

  /// 1 - MS-SSIM of two planes, from its definition.
  static func dissimilarity(_ x: [Double], _ y: [Double], rows: Int, columns: Int) -> Double {
    var x = x, y = y, rows = rows, columns = columns, means: [Double] = []
    var scales = 1
    while scales < 5, min(rows, columns) >> scales >= 11 { scales += 1 }
    let weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333].prefix(scales)
    for scale in 0..<scales {
      let shorter = min(rows, columns), window = min(11, shorter.isMultiple(of: 2) ? shorter - 1 : shorter)
      var kernel = (0..<window).map { exp(-pow(Double($0) - Double(window - 1) / 2, 2) / 4.5) }
      let norm = kernel.reduce(0, +)
      kernel = kernel.map { $0 / norm }
      var sum = 0.0
      for r in 0...rows - window {
        for c in 0...columns - window {
          var mx = 0.0, my = 0.0, xx = 0.0, yy = 0.0, xy = 0.0
          for i in 0..<window {
            for j in 0..<window {
              let w = kernel[i] * kernel[j], at = (r + i) * columns + c + j
              mx += w * x[at]
              my += w * y[at]
              xx += w * x[at] * x[at]
              yy += w * y[at] * y[at]
              xy += w * x[at] * y[at]
            }
          }
          let contrast = (2 * (xy - mx * my) + 9e-4) / (xx - mx * mx + yy - my * my + 9e-4)
          sum += contrast * (scale + 1 == scales ? (2 * mx * my + 1e-4) / (mx * mx + my * my + 1e-4) : 1)
        }
      }
      means.append(max(sum / Double((rows - window + 1) * (columns - window + 1)), 1e-3))
      func halved(_ x: [Double]) -> [Double] {
        (0..<(rows / 2) * (columns / 2)).map {
          let at = 2 * ($0 / (columns / 2)) * columns + 2 * ($0 % (columns / 2))
          return (x[at] + x[at + 1] + x[at + columns] + x[at + columns + 1]) / 4
        }
      }
      (x, y) = (halved(x), halved(y))
      (rows, columns) = (rows / 2, columns / 2)
    }
    let total = weights.reduce(0, +)
    return 1 - zip(means, weights).reduce(1) { $0 * pow($1.0, $1.1 / total) }
  }
}

// MARK: The cases

/// Multiples of 1/255, including 0 and 1.
func levels(_ count: Int, salt: Int) -> [Float] {
  values(count, salt: salt).enumerated().map { i, v in
    i % 7 == 0 ? 0 : i % 7 == 1 ? 1 : ((v + 2) / 4 * 255).rounded() / 255
  }
}

private func slices(_ x: [Double], _ width: Int) -> [[Double]] {
  stride(from: 0, to: x.count, by: width).map { Array(x[$0..<$0 + width]) }
}

private let shapes = [[1, 1], [3, 5], [2, 33]]

/// Sums, over each row, a function of x and the outputs that belong to it.
private func summed(
  _ columns: Int, _ arity: Int, _ f: @escaping @Sendable (Double, [Double]) -> Double
) -> @Sendable ([[Double]]) -> [Double] {
  { leaves in
    let terms = zip(leaves[0], slices(leaves[1], arity)).map { f($0, $1) }
    return slices(terms, columns).map { $0.reduce(0, +) }
  }
}

let valueLikelihoodCases: [OpCase] = shapes.flatMap { shape -> [OpCase] in
  let batch = shape[0], columns = shape[1], count = batch * columns
  let unit = values(count, salt: 1).map { ($0 + 2) / 4 }
  return [Float(0.2), 3, 20].map { scale in
    OpCase(
      name: "continuous Bernoulli \(shape), logits of \(scale)", batch: batch,
      leaves: [leaf(.data, shape, unit), leaf(.input, shape, salt: 2, scale: scale)],
      record: { $0.likelihood($1[0], location: $1[1], .continuousBernoulli) },
      reference: summed(columns, 1) { Formula.continuousBernoulli($0, $1[0]) })
  } + [
    OpCase(
      name: "Gaussian per pixel \(shape)", batch: batch,
      leaves: [leaf(.data, shape, unit), leaf(.input, [batch, 2 * columns], salt: 3, scale: 0.5)],
      record: { $0.likelihood($1[0], location: $1[1], .gaussianPixel) },
      reference: summed(columns, 2) { Formula.gaussianPixel($0, $1[0], $1[1]) }),
    OpCase(
      name: "Gaussian with the optimal sigma \(shape)", batch: batch,
      leaves: [leaf(.data, shape, unit), leaf(.input, shape, salt: 4)],
      record: { $0.likelihood($1[0], location: $1[1], .gaussianOptimal) },
      reference: { zip(slices($0[0], columns), slices($0[1], columns)).map { Formula.gaussianOptimal($0, $1) } }),
    OpCase(
      name: "Laplace \(shape), learned scale", batch: batch,
      leaves: [leaf(.data, shape, unit), leaf(.input, shape, salt: 5), leaf(.parameter, [1], [0.3])],
      record: { $0.laplace($1[0], mean: $1[1], logScale: $1[2]) },
      reference: { x in summed(columns, 1) { Formula.laplace($0, $1[0], x[2][0]) }(x) }),
    OpCase(
      name: "discretised logistic \(shape)", batch: batch,
      leaves: [leaf(.data, shape, levels(count, salt: 6)), leaf(.input, [batch, 2 * columns], salt: 7)],
      record: { $0.likelihood($1[0], location: $1[1], .discretizedLogistic) },
      reference: summed(columns, 2) { -log(Formula.bin($0, $1[0], $1[1])) }),
  ] + [
    OpCase(
      name: "mean of a continuous Bernoulli \(shape)", batch: batch, leaves: [leaf(.input, shape, salt: 8, scale: 4)],
      record: { $0.likelihoodMean($1[0], .continuousBernoulli) },
      reference: { $0[0].map(Formula.continuousBernoulliMean) }),
    OpCase(
      name: "mean of a Gaussian per pixel \(shape)", batch: batch,
      leaves: [leaf(.input, [batch, 2 * columns], salt: 9)],
      record: { $0.likelihoodMean($1[0], .gaussianPixel) }, reference: { slices($0[0], 2).map { $0[0] } }),
    OpCase(
      name: "mean of a discretised logistic \(shape)", batch: batch,
      leaves: [leaf(.input, [batch, 2 * columns], salt: 10, scale: 0.5)],
      record: { $0.likelihoodMean($1[0], .discretizedLogistic) },
      reference: { slices($0[0], 2).map { 0.5 + 0.5 * Formula.clipped($0[0], $0[1]) } }),
    OpCase(
      name: "draw from a Bernoulli \(shape)", batch: batch, leaves: [leaf(.data, shape, salt: 11)],
      record: { $0.likelihoodSample($1[0], .bernoulli, stream: "draw") },
      reference: { x in
        zip(x[0], OpCase.drawn("draw", batch: batch, columns: columns, normal: false)).map {
          Double($1) < Formula.sigmoid($0) ? 1 : 0
        }
      }),
  ]
}

let mixtureCases: [OpCase] = [(1, 1, 1), (1, 3, 5), (3, 1, 2), (3, 2, 17), (3, 10, 3)].flatMap {
  channels, mixtures, pixels -> [OpCase] in
  let shape = LogisticMixture(mixtures: mixtures, channels: channels), batch = 2
  let width = shape.outputs, location = leaf(.input, [batch, pixels * width], salt: 12, scale: 0.5)
  let name = "\(pixels) pixels, \(channels) channels, \(mixtures) mixtures"
  return [
    OpCase(
      name: "logistic mixture, \(name)", batch: batch,
      leaves: [leaf(.data, [batch, pixels * channels], levels(batch * pixels * channels, salt: 13)), location],
      record: { $0.logisticMixture($1[0], location: $1[1], shape) },
      reference: { x in
        let terms = zip(slices(x[0], channels), slices(x[1], width)).map { -log(Formula.mixture($0, $1, shape)) }
        return slices(terms, pixels).map { $0.reduce(0, +) }
      }),
    OpCase(
      name: "mean of a logistic mixture, \(name)", batch: batch, leaves: [location],
      record: { $0.logisticMixtureMean($1[0], shape) },
      reference: { slices($0[0], width).flatMap { Formula.mixtureMean($0, shape) } }),
    OpCase(
      name: "draw from a logistic mixture, \(name)", batch: batch,
      leaves: [leaf(.data, location.shape, location.values)],
      record: { $0.logisticMixtureSample($1[0], shape, stream: "draw") },
      reference: { x in
        let drawn = OpCase.drawn("draw", batch: batch, columns: pixels * (1 + channels), normal: false)
        let uniforms = slices(drawn.map(Double.init), 1 + channels)
        return zip(slices(x[0], width), uniforms).flatMap { p, u in
          var k = 0, below = 0.0
          for weight in Formula.weights(p, shape).dropLast() {
            below += weight
            if below > u[0] { break }
            k += 1
          }
          var y: [Double] = []
          for c in 0..<channels {
            let s = exp(max(p[mixtures * (2 + 3 * c) + k], -7))
            let v = Formula.means(p, k, shape, y) + s * log(u[1 + c] / (1 - u[1 + c]))
            y.append((min(max((v + 1) * 127.5, 0), 255)).rounded() / 127.5 - 1)
          }
          return y.map { ($0 + 1) / 2 }
        }
      }),
  ]
}

let similarityCases: [OpCase] = [(3, 4, 1), (8, 8, 1), (12, 15, 3), (23, 25, 1)].map { rows, columns, channels in
  let image = ImageShape(rows: rows, columns: columns, channels: channels), shape = [2, image.count]
  // Noise is added to one picture, so that the mean of no scale comes near its limit.
  let x = values(2 * image.count, salt: 14).map { ($0 + 2) / 4 }
  let y = zip(x, values(2 * image.count, salt: 15)).map { 0.1 + 0.7 * $0 + 0.04 * $1 }
  return OpCase(
    name: "structural dissimilarity \(image)", batch: 2, leaves: [leaf(.data, shape, x), leaf(.input, shape, y)],
    record: { $0.dissimilarity($1[0], $1[1], image: image) },
    reference: { leaves in
      zip(slices(leaves[0], image.count), slices(leaves[1], image.count)).map { x, y in
        (0..<channels).reduce(0) { sum, c in
          func plane(_ x: [Double]) -> [Double] { stride(from: c, to: x.count, by: channels).map { x[$0] } }
          return sum + Formula.dissimilarity(plane(x), plane(y), rows: rows, columns: columns)
        } / Double(channels)
      }
    })
}
