import Kernels
import Foundation

/// Disentanglement scores that test whether the factor that was held fixed in a batch of samples can be recognized.
/// Batches are drawn from the given samples.
package struct FixedFactorScores: Sendable, Equatable {
  /// Accuracy of a linear classifier on the mean of |mu - mu'| over 64 pairs that share the value of one factor
  /// (Higgins et al., "beta-VAE", ICLR 2017).
  package let betaVAE: Double
  /// Accuracy of a majority vote by the unit with the smallest variance, relative to all samples, among 64 samples that
  /// share the value of one factor (Kim and Mnih, "Disentangling by factorising", ICML 2018). Inactive units are
  /// excluded.
  package let factorVAE: Double

  private static let batch = 64
  private static let training = 1_000
  private static let testing = 500

  /// Indices of the samples by factor and value.
  private static func groups(_ codes: FactorizedCodes) -> [[[Int]]] {
    codes.names.indices.map { factor in
      var groups = [[Int]](repeating: [], count: codes.sizes[factor])
      for i in 0..<codes.count { groups[codes.value(i, factor)].append(i) }
      return groups
    }
  }

  static func betaVAE(_ codes: FactorizedCodes, seed: UInt64) -> Double {
    let groups = groups(codes)
    var draws = KeyedDraws(seed: seed, "beta-VAE score")
    var points: [[Double]] = [], labels: [Int] = []
    for _ in 0..<training + testing {
      let factor = draws.next(below: codes.names.count)
      var point = [Double](repeating: 0, count: codes.units)
      for _ in 0..<batch {
        let a = draws.next(below: codes.count)
        let group = groups[factor][codes.value(a, factor)]
        let b = group[draws.next(below: group.count)]
        for j in 0..<codes.units {
          point[j] += abs(Double(codes.mu[a * codes.units + j]) - Double(codes.mu[b * codes.units + j])) / Double(batch)
        }
      }
      points.append(point)
      labels.append(factor)
    }
    let classifier = LinearClassifier(
      Array(points[..<training]), labels: Array(labels[..<training]), classes: codes.names.count)
    let right = (training..<training + testing).count { classifier.classify(points[$0]) == labels[$0] }
    return Double(right) / Double(testing)
  }

  static func factorVAE(_ codes: FactorizedCodes, activeVariance: Double, seed: UInt64) -> Double {
    let groups = groups(codes), variances = CodeVariances(codes.mu, dimensions: codes.units).variance
    let active = variances.indices.filter { variances[$0] > activeVariance }
    guard !active.isEmpty else { return 0 }
    var draws = KeyedDraws(seed: seed, "FactorVAE score")
    /// Draws a batch with one fixed factor and returns the unit with the smallest relative variance.
    func vote() -> (unit: Int, factor: Int) {
      let factor = draws.next(below: codes.names.count)
      let group = groups[factor][codes.value(draws.next(below: codes.count), factor)]
      let rows = (0..<batch).map { _ in group[draws.next(below: group.count)] }
      let ratios = active.map { unit in
        let values = rows.map { Double(codes.mu[$0 * codes.units + unit]) }
        let mean = values.reduce(0, +) / Double(batch)
        return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / variances[unit]
      }
      return (ratios.indices.min { ratios[$0] < ratios[$1] } ?? 0, factor)
    }
    var votes = [[Int]](repeating: [Int](repeating: 0, count: codes.names.count), count: active.count)
    for _ in 0..<training {
      let (unit, factor) = vote()
      votes[unit][factor] += 1
    }
    let answers = votes.map { counts in counts.indices.max { (counts[$0], $1) < (counts[$1], $0) } ?? 0 }
    let right = (0..<testing).count { _ in
      let (unit, factor) = vote()
      return answers[unit] == factor
    }
    return Double(right) / Double(testing)
  }
}

/// Softmax regression on standardized features, trained by gradient descent with momentum from zero weights.
struct LinearClassifier {
  private static let steps = 400
  private static let rate = 0.3
  private static let decay = 1e-4

  private let mean: [Double]
  private let scale: [Double]
  /// Weights of shape (classes, features + 1). The last column is the bias.
  private var weights: [[Double]]

  /// - points: The features of each row.
  init(_ points: [[Double]], labels: [Int], classes: Int) {
    let n = Double(points.count), width = points.first?.count ?? 0
    let mean = (0..<width).map { j in points.reduce(0) { $0 + $1[j] } / n }
    let scale = (0..<width).map { j in
      let variance = points.reduce(0) { $0 + ($1[j] - mean[j]) * ($1[j] - mean[j]) } / n
      return variance > 1e-24 ? 1 / variance.squareRoot() : 0
    }
    (self.mean, self.scale) = (mean, scale)
    weights = [[Double]](repeating: [Double](repeating: 0, count: width + 1), count: classes)
    let rows = points.map { point in LinearClassifier.standardised(point, mean, scale) }
    var momentum = weights
    for _ in 0..<LinearClassifier.steps {
      var gradient = weights.map { $0.map { $0 * LinearClassifier.decay } }
      for (row, label) in zip(rows, labels) {
        let shares = LinearClassifier.softmax(weights.map { LinearClassifier.product($0, row) })
        for c in 0..<classes {
          let error = (shares[c] - (c == label ? 1 : 0)) / n
          for j in 0...width { gradient[c][j] += error * row[j] }
        }
      }
      for c in 0..<classes {
        for j in 0...width {
          momentum[c][j] = 0.9 * momentum[c][j] - LinearClassifier.rate * gradient[c][j]
          weights[c][j] += momentum[c][j]
        }
      }
    }
  }

  func classify(_ point: [Double]) -> Int {
    let row = LinearClassifier.standardised(point, mean, scale)
    let scores = weights.map { LinearClassifier.product($0, row) }
    return scores.indices.max { scores[$0] < scores[$1] } ?? 0
  }

  private static func standardised(_ point: [Double], _ mean: [Double], _ scale: [Double]) -> [Double] {
    point.indices.map { (point[$0] - mean[$0]) * scale[$0] } + [1]
  }

  private static func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  private static func softmax(_ values: [Double]) -> [Double] {
    let largest = values.max() ?? 0, shares = values.map { exp($0 - largest) }, sum = shares.reduce(0, +)
    return shares.map { $0 / sum }
  }
}
