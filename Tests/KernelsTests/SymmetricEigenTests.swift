import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct SymmetricEigenTests {
  @Test("The eigenvalues and eigenvectors of a constructed matrix are found", arguments: [1, 2, 3, 17, 40])
  func known(n: Int) {
    // The directions are the identity reflected at a vector. The values have many magnitudes, and two are equal.
    let axis = (0..<n).map { sin(Double($0) + 1) }, square = axis.reduce(0) { $0 + $1 * $1 }
    let values = (0..<n).map { $0 == 1 ? 1 : pow(10, -Double($0) / 8) }
    func direction(_ i: Int, _ k: Int) -> Double { (i == k ? 1 : 0) - 2 * axis[i] * axis[k] / square }
    var matrix = [Double](repeating: 0, count: n * n)
    for i in 0..<n {
      for a in 0..<n { for b in 0..<n { matrix[a * n + b] += values[i] * direction(i, a) * direction(i, b) } }
    }
    let eigen = SymmetricEigen(matrix, n: n)
    for (found, expected) in zip(eigen.values, values.sorted(by: >)) { #expect(abs(found - expected) < 1e-13) }
    for i in 0..<n {
      let vector = eigen.vectors[i * n..<(i + 1) * n]
      for a in 0..<n {
        let image = (0..<n).reduce(0.0) { $0 + matrix[a * n + $1] * vector[i * n + $1] }
        #expect(abs(image - eigen.values[i] * vector[i * n + a]) < 1e-13)
      }
      for j in 0..<n {
        let product = (0..<n).reduce(0.0) { $0 + eigen.vectors[i * n + $1] * eigen.vectors[j * n + $1] }
        #expect(abs(product - (i == j ? 1 : 0)) < 1e-13)
      }
      #expect(vector.max { abs($0) < abs($1) } ?? 0 > 0)
    }
  }

  @Test("Diagonal, zero and empty matrices, and negative eigenvalues, are supported")
  func plain() {
    #expect(SymmetricEigen([], n: 0).values.isEmpty)
    #expect(SymmetricEigen([0, 0, 0, 0], n: 2).values == [0, 0])
    let eigen = SymmetricEigen([-2, 0, 0, 0, 5, 0, 0, 0, 1], n: 3)
    #expect(eigen.values == [5, 1, -2] && eigen.vectors == [0, 1, 0, 0, 0, 1, 1, 0, 0])
  }

  @Test("Eigenvalues alone equal those with eigenvectors, for full and lower rank", arguments: [1, 7, 24, 100])
  func valuesAlone(n: Int) {
    var random = Random(state: UInt64(n))
    let rows = (0..<n / 2 + 1).map { _ in (0..<n).map { _ in Double.random(in: -1...1, using: &random) } }
    let matrix = (0..<n * n).map { at in rows.reduce(0) { $0 + $1[at / n] * $1[at % n] } }
    let whole = SymmetricEigen(matrix, n: n), alone = SymmetricEigen(matrix, n: n, vectors: false)
    for (a, b) in zip(whole.values, alone.values) { #expect(abs(a - b) < 1e-12 * max(1, whole.values[0])) }
    #expect(alone.values.count == n && alone.vectors.isEmpty)
    #expect(alone.values.dropFirst(rows.count).allSatisfy { abs($0) < 1e-12 * alone.values[0] })
  }

  @Test("A matrix that is not finite gives NaN immediately")
  func notFinite() {
    for wrong in [Double.nan, .infinity] {
      let eigen = SymmetricEigen([1, wrong, wrong, 1], n: 2)
      #expect(eigen.values.allSatisfy(\.isNaN) && eigen.vectors == [0, 0, 0, 0])
    }
  }
}
