import Kernels

/// |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the Gaussians that have the moments of two sets of features: Dowson and
/// Landau, 1982; on features of a network, Heusel et al., 2017. (S1 S2)^(1/2) has the trace of (A S2 A)^(1/2), A^2 = S1,
/// which is symmetric.
package func frechetDistance(_ first: CodeMoments, _ second: CodeMoments) -> Double {
  let d = first.mean.count
  let root = SymmetricEigen(first.covariance, n: d).function { max(0, $0).squareRoot() }
  let between = multiply(multiply(root, second.covariance, d), root, d)
  let cross = SymmetricEigen(between, n: d).values.reduce(0) { $0 + max(0, $1).squareRoot() }
  var distance = -2 * cross
  for k in 0..<d {
    let shift = first.mean[k] - second.mean[k]
    distance += shift * shift + first.covariance[k * d + k] + second.covariance[k * d + k]
  }
  return max(0, distance)
}

extension SymmetricEigen {
  /// The matrix with f of each eigenvalue. (n, n)
  fileprivate func function(_ f: (Double) -> Double) -> [Double] {
    let n = values.count
    var result = [Double](repeating: 0, count: n * n)
    for (i, value) in values.enumerated() {
      let scale = f(value)
      for a in 0..<n {
        let weight = scale * vectors[i * n + a]
        for b in 0..<n { result[a * n + b] += weight * vectors[i * n + b] }
      }
    }
    return result
  }
}

/// (n, n) each.
private func multiply(_ a: [Double], _ b: [Double], _ n: Int) -> [Double] {
  var result = [Double](repeating: 0, count: n * n)
  result.withUnsafeMutableBufferPointer { result in
    for i in 0..<n {
      for k in 0..<n {
        let factor = a[i * n + k]
        for j in 0..<n { result[i * n + j] += factor * b[k * n + j] }
      }
    }
  }
  return result
}
