/// Eigenvalues and vectors of a symmetric matrix, largest first, by cyclic Jacobi rotations: slow beside LAPACK, but
/// without it, and small eigenvalues keep their digits. Golub and Van Loan, "Matrix computations", section 8.5.
package struct SymmetricEigen {
  package let values: [Double]
  /// Row i belongs to values[i]: of length 1, its entry of largest magnitude positive. (n, n)
  package let vectors: [Double]

  private static let mostSweeps = 60

  /// - matrix: (n, n), of which the upper triangle counts.
  package init(_ matrix: [Double], n: Int) {
    precondition(matrix.count == n * n, "\(matrix.count) values for a matrix of \(n) rows")
    var a = matrix
    for i in 0..<n { for j in 0..<i { a[i * n + j] = a[j * n + i] } }
    var v = [Double](repeating: 0, count: n * n)
    for i in 0..<n { v[i * n + i] = 1 }
    a.withUnsafeMutableBufferPointer { a in
      v.withUnsafeMutableBufferPointer { v in SymmetricEigen.diagonalize(a, v, n) }
    }
    let diagonal = (0..<n).map { a[$0 * n + $0] }
    let order = (0..<n).sorted { (diagonal[$0], $1) > (diagonal[$1], $0) }
    values = order.map { diagonal[$0] }
    vectors = order.flatMap { row -> [Double] in
      let vector = v[row * n..<(row + 1) * n]
      let largest = vector.max { abs($0) < abs($1) } ?? 1
      return largest < 0 ? vector.map { -$0 } : Array(vector)
    }
  }

  private static func diagonalize(
    _ a: UnsafeMutableBufferPointer<Double>, _ v: UnsafeMutableBufferPointer<Double>, _ n: Int
  ) {
    let total = a.reduce(0) { $0 + $1 * $1 }
    for _ in 0..<mostSweeps {
      var off = 0.0
      for i in 0..<n { for j in i + 1..<max(n, i + 1) { off += a[i * n + j] * a[i * n + j] } }
      guard off > 1e-30 * total else { return }
      for p in 0..<n { for q in p + 1..<max(n, p + 1) where a[p * n + q] != 0 { rotate(a, v, n, p, q) } }
    }
  }

  /// Makes a[p, q] zero.
  private static func rotate(
    _ a: UnsafeMutableBufferPointer<Double>, _ v: UnsafeMutableBufferPointer<Double>, _ n: Int, _ p: Int, _ q: Int
  ) {
    let theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q])
    let tangent = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
    let cosine = 1 / (tangent * tangent + 1).squareRoot(), sine = tangent * cosine
    for k in 0..<n {
      let first = a[k * n + p], second = a[k * n + q]
      a[k * n + p] = cosine * first - sine * second
      a[k * n + q] = sine * first + cosine * second
    }
    for k in 0..<n {
      let first = a[p * n + k], second = a[q * n + k]
      a[p * n + k] = cosine * first - sine * second
      a[q * n + k] = sine * first + cosine * second
    }
    for k in 0..<n {
      let first = v[p * n + k], second = v[q * n + k]
      v[p * n + k] = cosine * first - sine * second
      v[q * n + k] = sine * first + cosine * second
    }
  }
}
