import Kernels

/// The Frechet distance |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) between two Gaussians with the moments of two sets
/// of features (Dowson and Landau, 1982; for features of a network, Heusel et al., 2017). The trace of (S1 S2)^(1/2) is
/// computed from the symmetric matrix (A S2 A)^(1/2), where A^2 = S1.
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
  /// The matrix with f applied to each eigenvalue. (n, n)
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

/// The product of two matrices of shape (n, n).
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
