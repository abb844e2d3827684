import COpenBLAS

/// Eigenvalues and eigenvectors of a symmetric matrix, in descending order of eigenvalue. Uses LAPACK's dsyevd.
///
/// If the matrix is not finite, all values are NaN and all vectors are 0.
package struct SymmetricEigen {
  package let values: [Double]
  /// The eigenvectors. Row i belongs to values[i]; it has length 1, and its entry of largest magnitude is positive.
  /// (n, n), or empty if vectors were not requested.
  package let vectors: [Double]

  /// - matrix: (n, n). Only the upper triangle is read.
  package init(_ matrix: [Double], n: Int, vectors wantsVectors: Bool = true) {
    precondition(matrix.count == n * n && n <= Int32.max / 4, "\(matrix.count) values for a matrix of \(n) rows")
    guard n > 0, matrix.allSatisfy(\.isFinite),
      let (rising, rows) = SymmetricEigen.decompose(matrix, n, wantsVectors)
    else {
      values = [Double](repeating: .nan, count: n)
      vectors = [Double](repeating: 0, count: wantsVectors ? n * n : 0)
      return
    }
    values = rising.reversed()
    vectors =
      !wantsVectors
      ? []
      : (0..<n).reversed().flatMap { row -> [Double] in
        let vector = rows[row * n..<(row + 1) * n]
        let largest = vector.max { abs($0) < abs($1) } ?? 1
        return largest < 0 ? vector.map { -$0 } : Array(vector)
      }
  }

  /// Returns eigenvalues in ascending order and their eigenvectors as rows, or nil if the algorithm does not converge.
  private static func decompose(_ matrix: [Double], _ n: Int, _ wantsVectors: Bool) -> ([Double], [Double])? {
    // Rows of this matrix are columns for LAPACK, so the upper triangle here is LAPACK's lower triangle.
    var a = matrix, values = [Double](repeating: 0, count: n)
    var job = CChar(UInt8(ascii: wantsVectors ? "V" : "N")), triangle = CChar(UInt8(ascii: "L"))
    var order = Int32(n), info = Int32(0), query = Int32(-1), size = 0.0, integers = Int32(0)
    dsyevd_(&job, &triangle, &order, &a, &order, &values, &size, &query, &integers, &query, &info)
    guard info == 0, var count = Int32(exactly: size) else { return nil }
    var work = [Double](repeating: 0, count: Int(count)), iwork = [Int32](repeating: 0, count: Int(integers))
    dsyevd_(&job, &triangle, &order, &a, &order, &values, &work, &count, &iwork, &integers, &info)
    return info == 0 ? (values, a) : nil
  }
}
