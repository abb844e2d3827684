import Foundation
import Kernels

/// Eigenvalues in decreasing order and eigenvectors of a symmetric matrix, by Jacobi rotations.
package func eigen(_ matrix: [[Double]]) -> (values: [Double], vectors: [[Double]]) {
  let n = matrix.count
  var a = matrix, v = (0..<n).map { i in (0..<n).map { $0 == i ? 1.0 : 0.0 } }
  for _ in 0..<50 {
    for p in 0..<n {
      for q in p + 1..<n where abs(a[p][q]) > 1e-300 {
        let theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
        let t = (theta >= 0 ? 1.0 : -1.0) / (abs(theta) + (theta * theta + 1).squareRoot())
        let c = 1 / (t * t + 1).squareRoot(), s = t * c
        for k in 0..<n { (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]) }
        for k in 0..<n { (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]) }
        for k in 0..<n { (v[k][p], v[k][q]) = (c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]) }
      }
    }
  }
  let order = (0..<n).sorted { a[$0][$0] > a[$1][$1] }
  return (order.map { a[$0][$0] }, order.map { j in (0..<n).map { v[$0][j] } })
}

/// Data of a linear model with Gaussian noise, and the maximum-likelihood solution of probabilistic PCA for them.
///
/// Tipping and Bishop, "Probabilistic principal component analysis", JRSS B 1999: sigma^2 is the mean of the discarded
/// eigenvalues, W = U (L - sigma^2)^(1/2), and q(z | x) = N(M^-1 W^T (x - m), sigma^2 M^-1) with M = L diagonal.
package struct PCA {
  package static let elements = 6, latent = 2, count = 500
  package let x: [[Float]]
  package let mean: [Double]
  package let values: [Double]
  package let vectors: [[Double]]
  package var variance: Double { values[PCA.latent...].reduce(0, +) / Double(PCA.elements - PCA.latent) }

  package init() {
    let generator = KeyedGenerator(seed: 21, stream: "PPCA")
    let width = PCA.elements + PCA.latent, samples = (0..<UInt64(PCA.count)).map { $0 }
    var noise = [Float](repeating: 0, count: PCA.count * width)
    generator.normal(into: &noise, samples: samples, rows: PCA.count, columns: width, epoch: 0)
    let weight: [[Float]] = [[2, 0.3], [-1, 0.5], [0.5, 1], [0, -1.2], [1.5, 0.2], [-0.4, 0.8]]
    x = (0..<PCA.count).map { row in
      let n = Array(noise[row * width..<(row + 1) * width])
      return (0..<PCA.elements).map { i in
        weight[i][0] * n[0] + weight[i][1] * n[1] + 0.6 * n[PCA.latent + i] + Float(i) * 0.25 - 0.5
      }
    }
    let rows = x.map { $0.map(Double.init) }, n = Double(PCA.count)
    let mean = (0..<PCA.elements).map { i in rows.reduce(0) { $0 + $1[i] } / n }
    let covariance = (0..<PCA.elements).map { i in
      (0..<PCA.elements).map { j in rows.reduce(0) { $0 + ($1[i] - mean[i]) * ($1[j] - mean[j]) } / n }
    }
    self.mean = mean
    (values, vectors) = eigen(covariance)
  }

  /// log p(x) under the maximum-likelihood model, in closed form. nats
  package func logLikelihood(_ x: [Float]) -> Double {
    var logDeterminant = 0.0, distance = 0.0
    for (j, vector) in vectors.enumerated() {
      let lambda = j < PCA.latent ? values[j] : variance
      let projection = (0..<PCA.elements).reduce(0.0) { $0 + vector[$1] * (Double(x[$1]) - mean[$1]) }
      logDeterminant += log(lambda)
      distance += projection * projection / lambda
    }
    return -(Double(PCA.elements) * log(2 * Double.pi) + logDeterminant + distance) / 2
  }

  package var meanLogLikelihood: Double { x.reduce(0) { $0 + logLikelihood($1) } / Double(PCA.count) }

  /// The parameters of a linear VAE at maximum likelihood, whose posterior is exact.
  package var optimum: [(name: String, values: [Double])] {
    let q = 0..<PCA.latent, d = 0..<PCA.elements
    let scales = q.map { (values[$0] - variance).squareRoot() }
    let encoder = q.map { j in d.map { i in vectors[j][i] * scales[j] / values[j] } }
    return [
      ("output.weight", d.flatMap { i in q.map { j in vectors[j][i] * scales[j] } }), ("output.bias", mean),
      ("likelihood.log_sigma", [log(variance) / 2]), ("mu.weight", encoder.flatMap { $0 }),
      ("mu.bias", encoder.map { row in -zip(row, mean).reduce(0) { $0 + $1.0 * $1.1 } }),
      ("logvar.weight", [Double](repeating: 0, count: PCA.latent * PCA.elements)),
      ("logvar.bias", q.map { log(variance / values[$0]) }),
    ]
  }
}
