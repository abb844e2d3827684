import Autograd
import Foundation

/// log (1/n) sum exp(x)
private func logMeanExp(_ x: [Double]) -> Double {
  let top = x.max() ?? 0
  return top + log(x.reduce(0) { $0 + exp($1 - top) } / Double(x.count))
}

/// The total correlation as Chen et al. estimate it, with q(z) as the mean of the posteriors. All are (batch, latent).
private func totalCorrelation(_ z: [Double], _ mu: [Double], _ logvar: [Double], rows: Int) -> [Double] {
  let columns = z.count / rows
  func density(_ i: Int, _ k: Int, _ j: Int) -> Double {
    let d = z[i * columns + j] - mu[k * columns + j], lv = logvar[k * columns + j]
    return -(log(2 * Double.pi) + lv + d * d / exp(lv)) / 2
  }
  return (0..<rows).map { i in
    let joint = logMeanExp((0..<rows).map { k in (0..<columns).reduce(0) { $0 + density(i, k, $1) } })
    return (0..<columns).reduce(joint) { sum, j in sum - logMeanExp((0..<rows).map { density(i, $0, j) }) }
  }
}

private func priorDiscrepancy(_ z: [Double], rows: Int) -> [Double] {
  guard rows > 1 else { return [0] }
  let columns = z.count / rows, c = Double(columns)
  func distance(_ i: Int, _ k: Int) -> Double {
    (0..<columns).reduce(0) { $0 + pow(z[i * columns + $1] - z[k * columns + $1], 2) }
  }
  return (0..<rows).map { i in
    let pairs = (0..<rows).filter { $0 != i }.reduce(0) { $0 + exp(-distance(i, $1) / c) } / Double(rows - 1)
    let norm = (0..<columns).reduce(0) { $0 + pow(z[i * columns + $1], 2) }
    return pairs - 2 * pow(c / (c + 2), c / 2) * exp(-norm / (c + 2)) + pow(c / (c + 4), c / 2)
  }
}

let aggregateCases: [OpCase] = [[1, 1], [1, 5], [3, 5], [7, 17], [5, 33], [18, 2]].flatMap { shape -> [OpCase] in
  let roles: [(OpCase.Role, OpCase.Role, OpCase.Role)] = [
    (.input, .input, .input), (.input, .data, .data), (.data, .input, .data), (.data, .data, .input),
  ]
  return roles.map { z, mu, logvar in
    OpCase(
      name: "total correlation \(shape), z is \(z), mu is \(mu), logvar is \(logvar)", batch: shape[0],
      leaves: [
        leaf(z, shape, salt: 11, scale: 0.5), leaf(mu, shape, salt: 12, scale: 0.5),
        leaf(logvar, shape, salt: 13, scale: 0.4),
      ],
      record: { $0.totalCorrelation($1[0], mu: $1[1], logvar: $1[2]) },
      reference: { totalCorrelation($0[0], $0[1], $0[2], rows: shape[0]) })
  } + [
    OpCase(
      name: "prior discrepancy \(shape)", batch: shape[0], leaves: [leaf(.input, shape, salt: 14, scale: 0.7)],
      record: { graph, x in graph.priorDiscrepancy(x[0]) },
      reference: { priorDiscrepancy($0[0], rows: shape[0]) })
  ]
}
