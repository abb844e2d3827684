import Kernels
import TestSupport
import Testing

@Suite struct DistanceTests {
  @Test("Squared distances of rows are exact for any width, and missing values add nothing")
  func squaredDistances() {
    var random = Random(state: 3)
    for columns in [1, 15, 16, 17, 511, 512, 513, 1_100] {
      let rows = 3
      var x = random.integers(rows * columns)
      let mean = random.integers(rows * columns)
      for place in stride(from: columns / 2, to: x.count, by: 7) { x[place] = .nan }
      var y = [Float](repeating: -1, count: rows)
      vd_squared_distances(&y, x, mean, rows, columns)
      for row in 0..<rows {
        let own = row * columns..<(row + 1) * columns
        let expected = own.reduce(Float(0)) { sum, at in
          x[at].isNaN ? sum : sum + (x[at] - mean[at]) * (x[at] - mean[at])
        }
        #expect(y[row] == expected, "\(columns) columns")
      }
    }
  }
}
