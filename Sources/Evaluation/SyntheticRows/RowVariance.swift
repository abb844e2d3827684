import Kernels
/// Total variance of rows: the variance of each element, summed over elements.
package func totalVariance(_ rows: [Float], width: Int) -> Double {
  guard rows.count > width else { return 0 }
  return CodeVariances(rows, dimensions: width).variance.reduce(0, +)
}
