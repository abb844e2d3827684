import Autograd
import Foundation

private func logNormal(_ z: Double, _ mu: Double, _ logvar: Double) -> Double {
  -(log(2 * Double.pi) + logvar + (z - mu) * (z - mu) * exp(-logvar)) / 2
}

private let densityCases: [OpCase] = [[1, 1], [3, 5], [7, 17], [5, 33]].flatMap { shape -> [OpCase] in
  let roles: [(OpCase.Role, OpCase.Role, OpCase.Role)] = [
    (.input, .input, .input), (.input, .data, .data), (.data, .input, .data), (.data, .data, .input),
  ]
  let densities = roles.map { z, mu, logvar in
    OpCase(
      name: "Gaussian log density \(shape), z is \(z), mu is \(mu), logvar is \(logvar)", batch: shape[0],
      leaves: [leaf(z, shape, salt: 1), leaf(mu, shape, salt: 2), leaf(logvar, shape, salt: 3)],
      record: { $0.gaussianLogDensity($1[0], mu: $1[1], logvar: $1[2]) },
      reference: { x in x[0].indices.map { logNormal(x[0][$0], x[1][$0], x[2][$0]) } })
  }
  let divergences = (0..<5).map { kept in
    OpCase(
      name: "Gaussian divergence \(shape), \(kept < 4 ? "only number \(kept) moves" : "all move")", batch: shape[0],
      leaves: (0..<4).map { leaf(kept == 4 || kept == $0 ? .input : .data, shape, salt: 4 + $0) },
      record: { $0.gaussianDivergence(mu: $1[0], logvar: $1[1], from: $1[2], $1[3]) },
      reference: { x in
        x[0].indices.map { i in
          let ratio = x[1][i] - x[3][i], d = x[0][i] - x[2][i]
          return (expm1(ratio) - ratio + d * d * exp(-x[3][i])) / 2
        }
      })
  }
  return densities + divergences + [
    OpCase(
      name: "standard log density \(shape)", batch: shape[0], leaves: [leaf(.input, shape, salt: 8)],
      record: { $0.standardLogDensity($1[0]) }, reference: { $0[0].map { logNormal($0, 0, 0) } })
  ]
}

/// The batch size, the number of units, and the units that are changed.
private let couplings: [(batch: Int, latent: Int, changed: [Int])] = [
  (1, 1, [0]), (3, 2, [1]), (5, 7, [0, 2, 4, 6]), (4, 20, [16, 3, 19]), (2, 33, Array(0..<16)),
]

private let couplingCases: [OpCase] = couplings.flatMap { batch, latent, changed -> [OpCase] in
  let width = changed.count, bound: Float = 1.5
  @Sendable func couple(_ z: [Double], _ raw: [Double], inverse: Bool) -> (y: [Double], logScale: [Double]) {
    var y = z, logScale = [Double](repeating: 0, count: z.count)
    for i in 0..<batch {
      for (j, unit) in changed.enumerated() {
        let s = Double(bound) * tanh(raw[i * 2 * width + j] / Double(bound)), t = raw[i * 2 * width + width + j]
        let at = i * latent + unit
        (y[at], logScale[at]) = inverse ? ((z[at] - t) * exp(-s), -s) : (z[at] * exp(s) + t, s)
      }
    }
    return (y, logScale)
  }
  /// y and the log scale next to each other.
  @Sendable func joined(_ result: (y: [Double], logScale: [Double])) -> [Double] {
    (0..<batch).flatMap { i in
      let row = i * latent..<(i + 1) * latent
      return Array(result.y[row]) + Array(result.logScale[row])
    }
  }
  return [false, true].flatMap { inverse in
    [(OpCase.Role.input, OpCase.Role.input), (.input, .data), (.data, .input)].map { z, raw in
      OpCase(
        name: "affine coupling \(batch)x\(latent), \(width) units, inverse \(inverse), z is \(z), raw is \(raw)",
        batch: batch, leaves: [leaf(z, [batch, latent], salt: 9), leaf(raw, [batch, 2 * width], salt: 10)],
        record: { graph, x in
          let (y, logScale) = graph.affineCoupling(x[0], raw: x[1], changed: changed, bound: bound, inverse: inverse)
          return graph.concatenate([y, logScale])
        }, reference: { joined(couple($0[0], $0[1], inverse: inverse)) })
    }
  } + [
    OpCase(
      name: "affine coupling \(batch)x\(latent), only the log scale is asked for", batch: batch,
      leaves: [leaf(.input, [batch, latent], salt: 9), leaf(.input, [batch, 2 * width], salt: 10)],
      record: { graph, x in graph.affineCoupling(x[0], raw: x[1], changed: changed, bound: bound).logScale },
      reference: { couple($0[0], $0[1], inverse: false).logScale }),
    OpCase(
      name: "affine coupling \(batch)x\(latent) and back", batch: batch,
      leaves: [leaf(.input, [batch, latent], salt: 11), leaf(.data, [batch, 2 * width], salt: 12)],
      record: { graph, x in
        let y = graph.affineCoupling(x[0], raw: x[1], changed: changed, bound: bound).y
        return graph.affineCoupling(y, raw: x[1], changed: changed, bound: bound, inverse: true).y
      }, reference: { $0[0] }),
  ]
}

private let selections: [(shape: [Int], chosen: [Int])] = [
  ([1, 1], [0]), ([3, 5], [4, 0]), ([7, 17], [3, 3, 16, 0]),
]

private let selectionCases: [OpCase] = selections.map { shape, chosen in
  OpCase(
    name: "columns \(chosen) of \(shape)", batch: shape[0], leaves: [leaf(.input, shape, salt: 13)],
    record: { $0.columns($1[0], chosen) },
    reference: { x in (0..<shape[0]).flatMap { row in chosen.map { x[0][row * shape[1] + $0] } } })
}

let priorCases: [OpCase] = densityCases + couplingCases + selectionCases
