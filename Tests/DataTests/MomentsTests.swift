import Testing

@testable import Data

@Suite struct MomentsTests {
  private let rows: [[Float]] = (0..<101).map { row in [Float(row) * 0.25 - 3, Float(row * row % 17), 7] }

  private func moments(_ rows: some Sequence<[Float]>) -> Moments {
    var moments = Moments(width: 3)
    for row in rows { moments.add(row) }
    return moments
  }

  @Test("Moments have the mean, variance, minimum and maximum of each element")
  func values() {
    let all = moments(rows)
    for j in 0..<3 {
      let column = rows.map { Double($0[j]) }
      let mean = column.reduce(0, +) / Double(column.count)
      let variance = column.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(column.count)
      #expect(abs(all.mean[j] - mean) < 1e-12)
      #expect(abs(all.variance(j) - variance) < 1e-10)
      #expect(all.minimum[j] == column.min() && all.maximum[j] == column.max())
    }
    #expect(all.count == 101)
    #expect(all.largest == 22 && all.smallest == -3)
  }

  @Test("Merged moments of parts equal those of the whole", arguments: [0, 1, 50, 100, 101])
  func merging(cut: Int) {
    var merged = moments(rows[..<cut])
    merged.merge(moments(rows[cut...]))
    let whole = moments(rows)
    #expect(merged.count == whole.count)
    for j in 0..<3 {
      #expect(abs(merged.mean[j] - whole.mean[j]) < 1e-12)
      #expect(abs(merged.variance(j) - whole.variance(j)) < 1e-10)
      #expect(merged.minimum[j] == whole.minimum[j] && merged.maximum[j] == whole.maximum[j])
    }
  }

  @Test func serialization() {
    let all = moments(rows)
    #expect(all.serialized.count == Moments.serializedCount(width: 3))
    #expect(Moments(serialized: all.serialized) == all)
    #expect(Moments(serialized: Moments(width: 2).serialized) == Moments(width: 2))
  }

  @Test("Bytes are scaled only if they exceed 1")
  func scaling() {
    #expect(defaultScaling(element: .u8, maximum: 255) == Scaling(offset: [0], scale: [1 / 255]))
    #expect(defaultScaling(element: .u8, maximum: 1) == .identity)
    #expect(defaultScaling(element: .f4, maximum: 255) == .identity)
  }
}
