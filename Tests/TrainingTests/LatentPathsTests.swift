import Foundation
import Testing

@testable import Training

@Suite struct LatentPathsTests {
  private func row(_ values: [Float], _ i: Int, _ width: Int) -> [Float] { Array(values[i * width..<(i + 1) * width]) }
  private func length(_ z: [Float]) -> Double { z.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }

  @Test(
    "Both kinds of interpolation begin and end at the given latents, in even steps",
    arguments: InterpolationPath.allCases)
  func ends(path: InterpolationPath) {
    let a: [Float] = [3, 0, 0], b: [Float] = [0, 0, -3]
    let way = LatentPaths.interpolate(a[...], b[...], steps: 7, path)
    for (found, expected) in zip(row(way, 0, 3) + row(way, 6, 3), a + b) { #expect(abs(found - expected) < 1e-6) }
    let steps = (1..<7).map { step in length(zip(row(way, step, 3), row(way, step - 1, 3)).map { $0 - $1 }) }
    for step in steps { #expect(abs(step / steps[0] - 1) < 1e-5) }
    let middle = row(way, 3, 3), half = path == .linear ? 1.5 : 3 / 2.0.squareRoot()
    for (found, expected) in zip(middle, [half, 0, -half]) { #expect(abs(Double(found) - expected) < 1e-6) }
  }

  @Test("Spherical interpolation keeps the length of latents")
  func circle() {
    let a: [Float] = [1, 2, -1, 0.5], b: [Float] = [-2, 1, 0.5, 1]
    let way = LatentPaths.interpolate(a[...], b[...], steps: 9, .spherical)
    for i in 0..<9 { #expect(abs(length(row(way, i, 4)) - 2.5) < 1e-6) }
  }

  @Test(
    "Between parallel, opposite and zero latents, spherical interpolation is linear", arguments: [-1, 2, 0] as [Float])
  func degenerate(factor: Float) {
    let a: [Float] = [1, -2], b = a.map { $0 * factor }
    let line = LatentPaths.interpolate(a[...], b[...], steps: 5, .linear)
    #expect(LatentPaths.interpolate(a[...], b[...], steps: 5, .spherical) == line)
  }

  @Test("A traversal moves one unit at a time")
  func traversal() {
    let z = LatentPaths.traverse([0.5, -1, 2], units: [2, 0], steps: 3)
    #expect(z == [0.5, -1, -3, 0.5, -1, 0, 0.5, -1, 3, -3, -1, 2, 0, -1, 2, 3, -1, 2])
  }

  @Test("The manifold has quantiles of the prior, with the first unit to the right and the second upwards")
  func manifold() {
    for (p, x) in [(0.5, 0), (0.975, 1.959_963_984_540_054), (0.001, -3.090_232_306_167_814)] {
      #expect(abs(LatentPaths.normalQuantile(p) - x) < 1e-12)
    }
    let z = LatentPaths.manifold(side: 2), q = Float(0.674_489_750_196_081_7)
    #expect(z == [-q, q, q, q, -q, -q, q, -q])
  }

  @Test("Pairs have different classes, use each sample once, use all classes first, and are reproducible")
  func labelledPairs() {
    let labels = (0..<60).map { $0 / 20 * 3 }  // classes 0, 3, 6, sorted
    let codes = LatentCodes(latent: 1, mu: [Float](repeating: 0, count: 60), labels: labels)
    let pairs = codes.pairs(10)
    #expect(pairs.count == 10 && Set(pairs.flatMap { [$0.0, $0.1] }).count == 20)
    #expect(pairs.prefix(3).map { [labels[$0.0], labels[$0.1]] } == [[0, 3], [3, 6], [6, 0]])
    #expect(pairs.allSatisfy { labels[$0.0] != labels[$0.1] })
    let two = LatentCodes(latent: 1, mu: [1, 2, 3], labels: [5, 5, 4])
    #expect(two.pairs(10).map { [$0.0, $0.1] } == [[2, 0]])
  }

  @Test("Without labels or with one class, pairs are far apart, and during training they do not depend on mu")
  func farPairs() {
    let mu: [Float] = [0, 1, 9, 2, -3, 8]
    for labels in [nil, [1, 1, 1, 1, 1, 1]] as [[Int]?] {
      let codes = LatentCodes(latent: 1, mu: mu, labels: labels)
      #expect(codes.pairs(2).map { [$0.0, $0.1] } == [[0, 2], [1, 5]])
      #expect(codes.fixedPairs(9).map { [$0.0, $0.1] } == [[0, 3], [1, 4], [2, 5]])
    }
    #expect(LatentCodes(latent: 1, mu: [4]).pairs(3).isEmpty && LatentCodes(latent: 1, mu: []).fixedPairs(3).isEmpty)
  }

  @Test("Units are ordered by their KL, and equal ones by number")
  func order() {
    #expect([0.5, 2, 0, 2].descending == [1, 3, 0, 2])
  }
}
