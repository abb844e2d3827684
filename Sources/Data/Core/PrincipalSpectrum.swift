import Kernels

/// Variances of samples along their principal components, in descending order. For fewer samples than values per
/// sample, there are as many components as samples.
package struct PrincipalSpectrum: Sendable, Equatable {
  /// Number of samples that the spectrum was estimated from.
  package let samples: Int
  /// Number of values in a sample.
  package let width: Int
  package let variances: [Double]

  /// Largest order of the matrix whose eigenvalues are computed, to limit the computing time.
  private static let order = 512
  private static let elements = 1 << 21
  /// Fewer samples than this cannot show where 99 % of a variance lies.
  private static let least = 30

  /// Number of samples of a data set to compute the spectrum from in well under a second; 0 where they would be too
  /// few.
  package static func samples(of count: Int, width: Int) -> Int {
    let wanted = min(count, width <= order ? 8 * order : order, elements / max(width, 1))
    return wanted < least ? 0 : wanted
  }

  /// Computes the spectrum of `rows`, (count, width). Returns nil for fewer than 30 samples, or where both extents are
  /// too large.
  package init?(_ rows: [Float], width: Int) {
    let count = width > 0 ? rows.count / width : 0
    guard count >= PrincipalSpectrum.least, min(count, width) <= PrincipalSpectrum.order else { return nil }
    (samples, self.width) = (count, width)
    var means = [Double](repeating: 0, count: width)
    for i in 0..<count { for j in 0..<width { means[j] += Double(rows[i * width + j]) } }
    let centred = Buffer(count: rows.count)
    for i in 0..<count {
      for j in 0..<width { centred.base[i * width + j] = Float(Double(rows[i * width + j]) - means[j] / Double(count)) }
    }
    let byColumns = width <= count, n = min(width, count)
    let products = Buffer(count: n * n)
    Products.multiply(
      n, n, byColumns ? count : width, centred.base, transposedA: byColumns, centred.base, transposedB: !byColumns,
      beta: 0, into: products.base)
    let matrix = (0..<n * n).map { Double(products.base[$0]) / Double(count) }
    variances = SymmetricEigen(matrix, n: n, vectors: false).values.map { max(0, $0) }
  }

  package var total: Double { variances.reduce(0, +) }

  /// Number of components that together hold a share of the variance; nil where the samples are too few to tell.
  package func components(holding share: Double) -> Int? {
    var sum = 0.0
    let wanted = share * total
    guard wanted > 0 else { return nil }
    let count =
      1
      + (variances.firstIndex {
        sum += $0; return sum >= wanted
      } ?? variances.count - 1)
    // With more than half as many components as samples, the components are fitted to these particular samples.
    return width <= samples / 2 || 2 * count <= samples ? count : nil
  }
}
