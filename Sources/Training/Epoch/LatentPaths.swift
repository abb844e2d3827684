import Foundation

/// The path of an interpolation between two latents.
package enum InterpolationPath: String, CaseIterable, Sendable {
  case linear
  /// Along the great circle, which stays near the shell that holds most of the mass of a high-dimensional Gaussian.
  /// Sources: Shoemake, 1985; White, "Sampling generative networks", 2016.
  case spherical
}

/// Latents to decode for display, in rows.
package enum LatentPaths {
  /// Number of images in an interpolation, and number of pairs shown.
  package static let steps = 10
  package static let pairs = 10
  /// Number of images in a traversal. The unit is 0 in the middle one.
  package static let traversalSteps = 11
  /// End of a traversal, in standard deviations of the prior.
  package static let reach: Float = 3
  package static let manifoldSide = 20

  /// Interpolates from a to b, including both. (steps, latent)
  package static func interpolate(
    _ a: ArraySlice<Float>, _ b: ArraySlice<Float>, steps: Int, _ path: InterpolationPath
  ) -> [Float] {
    let angle = path == .spherical ? angle(a, b) : 0
    return (0..<steps).flatMap { step -> [Float] in
      let t = steps > 1 ? Double(step) / Double(steps - 1) : 0
      // For parallel or opposite latents, the great circle is not unique, and the interpolation is linear.
      let bends = sin(angle) > 1e-6
      let first = bends ? sin((1 - t) * angle) / sin(angle) : 1 - t
      let second = bends ? sin(t * angle) / sin(angle) : t
      return zip(a, b).map { Float(first * Double($0) + second * Double($1)) }
    }
  }

  private static func angle(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
    func product(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
      zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let length = (product(a, a) * product(b, b)).squareRoot()
    return length > 0 ? acos(max(-1, min(1, product(a, b) / length))) : 0
  }

  /// Varies each of `units` from -reach to reach, with the other units as in `base`. (units.count, steps, latent)
  package static func traverse(_ base: [Float], units: [Int], steps: Int = traversalSteps) -> [Float] {
    units.flatMap { unit in
      (0..<steps).flatMap { step -> [Float] in
        var z = base
        z[unit] = steps > 1 ? reach * (2 * Float(step) / Float(steps - 1) - 1) : 0
        return z
      }
    }
  }

  /// A grid over two units, at the quantiles in the middle of `side` parts of equal probability of the prior. The first
  /// unit increases from left to right, the second from bottom to top. (side, side, 2)
  package static func manifold(side: Int = manifoldSide) -> [Float] {
    let quantiles = (0..<side).map { Float(normalQuantile((Double($0) + 0.5) / Double(side))) }
    return quantiles.reversed().flatMap { second in quantiles.flatMap { [$0, second] } }
  }

  /// Quantile of the standard normal distribution at p, computed by bisection.
  static func normalQuantile(_ p: Double) -> Double {
    var low = -10.0, high = 10.0
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if 0.5 * erfc(-middle / 2.0.squareRoot()) < p { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}

extension LatentCodes {
  /// Interpolates between the two samples of each pair. z follows `path`, and the condition is interpolated linearly,
  /// so that both ends are the samples themselves. z (pairs, steps, latent), y (pairs, steps, condition)
  package func ways(_ pairs: [(Int, Int)], steps: Int, _ path: InterpolationPath) -> (z: [Float], y: [Float]) {
    (
      pairs.flatMap { LatentPaths.interpolate(self[$0.0], self[$0.1], steps: steps, path) },
      pairs.flatMap { LatentPaths.interpolate(condition(of: $0.0), condition(of: $0.1), steps: steps, .linear) }
    )
  }

  /// Pairs of samples to interpolate between: with different labels where labels are known, otherwise far apart.
  package func pairs(_ n: Int) -> [(Int, Int)] {
    let differing = differingPairs(n)
    return differing.isEmpty ? distantPairs(n) : differing
  }

  /// Pairs of samples with different labels. Neighbouring classes come first (0 and 1, 1 and 2, ...), then classes with
  /// one class between them, and so on. Each sample is in one pair only.
  package func differingPairs(_ n: Int) -> [(Int, Int)] {
    guard let labels else { return [] }
    var waiting = Dictionary(grouping: labels.indices, by: { labels[$0] }).mapValues { ArraySlice($0) }
    let classes = waiting.keys.sorted()
    var pairs: [(Int, Int)] = []
    guard classes.count > 1 else { return [] }
    for turn in 0..<n * classes.count where pairs.count < n {
      let first = classes[turn % classes.count]
      let second = classes[(turn + 1 + turn / classes.count % (classes.count - 1)) % classes.count]
      if let a = waiting[first]?.first, let b = waiting[second]?.first {
        waiting[first]?.removeFirst()
        waiting[second]?.removeFirst()
        pairs.append((a, b))
      }
    }
    return pairs
  }

  /// Pairs the first remaining sample with the one farthest from it.
  private func distantPairs(_ n: Int) -> [(Int, Int)] {
    var free = Array(0..<count)
    var pairs: [(Int, Int)] = []
    while pairs.count < n, free.count > 1 {
      let a = free.removeFirst()
      let distances = free.map { b in zip(self[a], self[b]).reduce(0 as Float) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
      guard let place = distances.indices.max(by: { distances[$0] < distances[$1] }) else { break }
      pairs.append((a, free.remove(at: place)))
    }
    return pairs
  }

  /// Pairs that stay the same while mu changes. Without labels, the two samples of a pair are half of the set apart.
  func fixedPairs(_ n: Int) -> [(Int, Int)] {
    let differing = differingPairs(n)
    return differing.isEmpty ? (0..<min(n, count / 2)).map { ($0, $0 + count / 2) } : differing
  }
}
