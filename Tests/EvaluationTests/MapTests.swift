import Evaluation
import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct MapTests {
  /// Clusters of `each` points around corners that are 8 apart, in `d` dimensions.
  private func clusters(_ count: Int, each: Int, d: Int) -> [Float] {
    var points = [Float](repeating: 0, count: count * each * d)
    KeyedGenerator(seed: 5, stream: "clusters").normal(
      into: &points, samples: (0..<count * each).map(UInt64.init), rows: count * each, columns: d, epoch: 0)
    for i in 0..<count * each { points[i * d + i % count] += 8 }
    return points
  }

  @Test("Principal components are the axes of a Gaussian in the order of their variance")
  func components() {
    // The deviation is 5 along (3, 4) / 5 and 0.5 across it.
    let n = 400
    var noise = [Float](repeating: 0, count: 2 * n)
    KeyedGenerator(seed: 1, stream: "pca").normal(
      into: &noise, samples: (0..<n).map(UInt64.init), rows: n, columns: 2, epoch: 0)
    let points = (0..<n).flatMap { i -> [Float] in
      let along = 5 * noise[2 * i], across = 0.5 * noise[2 * i + 1]
      return [1 + (3 * along - 4 * across) / 5, -2 + (4 * along + 3 * across) / 5]
    }
    let found = PrincipalComponents(points, dimensions: 2, components: 2)
    #expect(abs(found.shares[0] + found.shares[1] - 1) < 1e-12 && abs(found.shares[0] - 100.0 / 101) < 0.005)
    let mean = (0..<n).reduce(0.0) { $0 + Double(5 * noise[2 * $1]) / Double(n) }
    // The entry with the largest magnitude is positive, so the direction is (3, 4).
    for i in 0..<n { #expect(abs(Double(found.points[2 * i]) - (Double(5 * noise[2 * i]) - mean)) < 0.2) }
    let line = PrincipalComponents([1, 2, 4], dimensions: 1, components: 2)
    #expect(
      line.shares == [1, 0] && zip(line.points, [-4 / 3, 0, -1 / 3, 0, 5 / 3, 0]).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  @Test("With very many dimensions, those with the largest variance are used")
  func manyDimensions() {
    let d = 600, n = 30
    let points = (0..<n * d).map { $0 % d == 577 ? Float($0 / d) : Float($0 % 7) * 1e-3 }
    let found = PrincipalComponents(points, dimensions: d, components: 1)
    #expect(found.shares[0] > 0.99 && abs(found.points[0] + 14.5) < 0.01 && abs(found.points[n - 1] - 14.5) < 0.01)
  }

  @Test("t-SNE separates clusters, and is reproducible to the bit")
  func clusters() {
    let count = 4, n = 200
    let points = clusters(count, each: n / count, d: 10)
    let map = TSNE.map(points, dimensions: 10, perplexity: 15)
    #expect(map == TSNE.map(points, dimensions: 10, perplexity: 15))
    #expect(map.count == 2 * n && map.allSatisfy(\.isFinite))
    func distance(_ i: Int, _ j: Int) -> Float { hypot(map[2 * i] - map[2 * j], map[2 * i + 1] - map[2 * j + 1]) }
    for i in 0..<n {
      let nearest = (0..<n).filter { $0 != i }.sorted { distance(i, $0) < distance(i, $1) }.prefix(10)
      #expect(nearest.allSatisfy { $0 % count == i % count }, "point \(i)")
    }
  }

  @Test("Maps of few points, equal points and one dimension are finite", arguments: [0, 1, 2, 3, 9, 20])
  func few(n: Int) {
    for points in [[Float](repeating: 1, count: n), (0..<n).map(Float.init)] {
      let map = TSNE.map(points, dimensions: 1)
      #expect(map.count == 2 * n && map.allSatisfy(\.isFinite))
    }
  }
}
