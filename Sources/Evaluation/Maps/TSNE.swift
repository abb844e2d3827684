import Foundation
import Kernels

/// A t-SNE layout of points in the plane (van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008).
///
/// Attraction is limited to the nearest neighbours (van der Maaten, JMLR 2014), and repulsion is computed exactly. The
/// result is deterministic.
package struct TSNE {
  package static let mostPoints = 5_000
  package static let iterations = 1_000
  /// Number of initial iterations with exaggerated attraction; `exaggeration` is its factor.
  private static let earlyIterations = 250
  private static let exaggeration: Float = 12

  private let n: Int
  private let neighbours: Neighbours
  /// Coordinates, (n) each, padded with zeros to a multiple of the vector width.
  private var x: [Float]
  private var y: [Float]

  /// Computes the layout. With fewer than three points, it returns the first two principal components.
  /// points (count, dimensions) -> (count, 2)
  package static func map(
    _ points: [Float], dimensions: Int, perplexity: Double = 30
  ) -> [Float] {
    let n = points.count / dimensions
    guard n > 2 else { return PrincipalComponents(points, dimensions: dimensions, components: 2).points }
    var layout = TSNE(points, dimensions: dimensions, perplexity: min(perplexity, Double(n - 1) / 3))
    let activity = Activity("t-SNE", of: iterations)
    layout.run()
    activity.end()
    return (0..<n).flatMap { [layout.x[$0], layout.y[$0]] }
  }

  /// Initializes the layout with the first two principal components, scaled to a small size as in scikit-learn.
  private init(_ points: [Float], dimensions: Int, perplexity: Double) {
    n = points.count / dimensions
    neighbours = Neighbours(points, dimensions: dimensions, perplexity: perplexity)
    let start = PrincipalComponents(points, dimensions: dimensions, components: 2).points
    var deviation: Float = 0
    for i in 0..<n { deviation += start[2 * i] * start[2 * i] / Float(n) }
    let scale = deviation > 0 ? 1e-4 / deviation.squareRoot() : 0
    let padding = [Float](repeating: 0, count: Lanes.scalarCount)
    x = (0..<n).map { start[2 * $0] * scale } + padding
    y = (0..<n).map { start[2 * $0 + 1] * scale } + padding
  }

  private typealias Lanes = SIMD8<Float>

  private mutating func run() {
    let rate = max(50, Float(n) / TSNE.exaggeration / 4)
    var force = [Float](repeating: 0, count: 2 * n), step = force
    var gains = [Float](repeating: 1, count: 2 * n)
    for iteration in 0..<TSNE.iterations {
      let isEarly = iteration < TSNE.earlyIterations
      gradient(exaggeration: isEarly ? TSNE.exaggeration : 1, into: &force)
      let momentum: Float = isEarly ? 0.5 : 0.8
      for i in 0..<2 * n {
        gains[i] = max(0.01, (force[i] < 0) == (step[i] < 0) ? gains[i] * 0.8 : gains[i] + 0.2)
        step[i] = momentum * step[i] - rate * gains[i] * force[i]
        if i < n { x[i] += step[i] } else { y[i - n] += step[i] }
      }
      Activity.advance()
    }
  }

  /// The gradient, with q_ij = 1 / (1 + |y_i - y_j|^2). The result holds the x components first and then the y
  /// components.
  /// 4 (sum_j p_ij q_ij (y_i - y_j) - sum_j q_ij^2 (y_i - y_j) / sum q)
  private func gradient(exaggeration: Float, into force: inout [Float]) {
    var total = 0.0
    for i in 0..<n {
      let push = repulsion(on: i)
      total += Double(push.weight)
      (force[i], force[n + i]) = (push.x, push.y)
    }
    let share = Float(1 / max(total, 1e-30))
    for i in 0..<n {
      var pullX: Float = 0, pullY: Float = 0
      for edge in neighbours.starts[i]..<neighbours.starts[i + 1] {
        let j = Int(neighbours.indices[edge]), dx = x[i] - x[j], dy = y[i] - y[j]
        let pull = neighbours.weights[edge] / (1 + dx * dx + dy * dy)
        pullX += pull * dx
        pullY += pull * dy
      }
      force[i] = 4 * (exaggeration * pullX - share * force[i])
      force[n + i] = 4 * (exaggeration * pullY - share * force[n + i])
    }
  }

  /// The sums over all other points j of q_ij and of q_ij^2 (y_i - y_j).
  private func repulsion(on i: Int) -> (weight: Float, x: Float, y: Float) {
    let ownX = x[i], ownY = y[i]
    var weights = Lanes.zero, pushX = Lanes.zero, pushY = Lanes.zero
    x.withUnsafeBytes { xs in
      y.withUnsafeBytes { ys in
        for first in stride(from: 0, to: n, by: Lanes.scalarCount) {
          let dx = ownX - xs.loadUnaligned(fromByteOffset: 4 * first, as: Lanes.self)
          let dy = ownY - ys.loadUnaligned(fromByteOffset: 4 * first, as: Lanes.self)
          var q = 1 / (1 + dx * dx + dy * dy)
          // Lanes in the padding are not points, so they get weight 0.
          for lane in max(0, n - first)..<max(Lanes.scalarCount, n - first) { q[lane] = 0 }
          weights += q
          let square = q * q
          pushX += square * dx
          pushY += square * dy
        }
      }
    }
    return (weights.sum() - 1, pushX.sum(), pushY.sum())
  }
}

/// The symmetric weights of a nearest-neighbour graph, stored by rows. Their sum is 1.
private struct Neighbours {
  /// The edges of point i have the positions starts[i]..<starts[i + 1].
  let starts: [Int]
  let indices: [Int32]
  let weights: [Float]

  /// Computes Gaussian weights of the 3 * perplexity nearest neighbours of each point. The width of each Gaussian is
  /// chosen to give the requested perplexity. The weight of an edge is the mean over both directions.
  init(_ points: [Float], dimensions d: Int, perplexity: Double) {
    let n = points.count / d, k = min(n - 1, max(1, Int(3 * perplexity)))
    var rows = [[Int32: Float]](repeating: [:], count: n)
    // Distances are not negative, so their bit patterns sort in the same order. The index in the lower bits breaks
    // ties.
    var order = [UInt64](repeating: 0, count: n)
    let activity = Activity("t-SNE, neighbours", of: n)
    defer { activity.end() }
    for i in 0..<n {
      points.withUnsafeBufferPointer { points in
        for j in 0..<n {
          var sum: Float = 0
          for c in 0..<d {
            let difference = points[i * d + c] - points[j * d + c]
            sum += difference * difference
          }
          order[j] = j == i ? .max : UInt64(sum.bitPattern) << 32 | UInt64(j)
        }
      }
      order.sort()
      let nearest = order.prefix(k)
      let weights = Neighbours.weights(
        nearest.map { Double(Float(bitPattern: UInt32($0 >> 32))) }, perplexity: perplexity)
      for (neighbour, weight) in zip(nearest, weights) {
        let half = Float(weight / Double(2 * n)), j = Int(neighbour & 0xffff_ffff)
        rows[i][Int32(j), default: 0] += half
        rows[j][Int32(i), default: 0] += half
      }
      Activity.advance()
    }
    var starts = [0], indices = [Int32](), weights = [Float]()
    for row in rows {
      for (j, weight) in row.sorted(by: { $0.key < $1.key }) {
        indices.append(j)
        weights.append(weight)
      }
      starts.append(indices.count)
    }
    (self.starts, self.indices, self.weights) = (starts, indices, weights)
  }

  /// exp(-d / 2 sigma^2) divided by their sum, where bisection finds the precision for which the entropy is
  /// log(perplexity).
  private static func weights(_ squared: [Double], perplexity: Double) -> [Double] {
    let nearest = squared.first ?? 0, target = log(perplexity)
    var low = 0.0, high = Double.infinity, precision = 1 / max(1e-12, (squared.last ?? 1) - nearest)
    var weights: [Double] = []
    for _ in 0..<64 {
      // Subtracting the smallest distance avoids underflow and does not change the normalized weights.
      weights = squared.map { exp(-($0 - nearest) * precision) }
      let sum = weights.reduce(0, +)
      let entropy = log(sum) + precision * zip(weights, squared).reduce(0) { $0 + $1.0 * ($1.1 - nearest) } / sum
      weights = weights.map { $0 / sum }
      if abs(entropy - target) < 1e-5 { break }
      if entropy > target { low = precision } else { high = precision }
      precision = high.isFinite ? (low + high) / 2 : 2 * precision
    }
    return weights
  }
}
