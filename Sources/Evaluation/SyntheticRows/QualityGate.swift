import Kernels
import Training

/// Selects candidates. A candidate passes if the model scores it like most held-out real rows and it is not a copy of a
/// training row.
package final class QualityGate {
  package enum Reason: String, CaseIterable, Sendable {
    case reconstruction, density, copy

    package var meaning: String {
      switch self {
      case .reconstruction: "the model cannot reconstruct it"
      case .density: "the model finds it unlikely"
      case .copy: "it is as near to a training row as a copy"
      }
    }
  }

  /// A score and the threshold above which a candidate is rejected.
  package struct Criterion: Sendable {
    package let reason: Reason
    package let score: Score
    package let threshold: Double
    /// Scores of the real rows that the threshold was computed from, ascending.
    package let reference: [Double]
  }

  package let quantile: Double
  package private(set) var criteria: [Criterion] = []
  package let memorisation: Memorisation
  private let scorers: [RowScorer]
  private let grid: ValueGrid
  /// The held-out rows that the thresholds are computed from; NaN means a missing value. (count, width)
  private let heldOut: [Float]
  private let width: Int

  /// - quantile: Share of real held-out rows below each threshold.
  package init(_ model: TrainedModel, _ real: RealRows, quantile share: Double) {
    quantile = share
    width = model.shape.elementCount
    grid = real.grid
    heldOut = real.gateSeen
    let scores: [(Reason, Score)] = [(.reconstruction, .squaredError), (.density, .negativeELBO)]
    scorers = scores.map { RowScorer(model.autoencoder, $0.1, seed: model.seed) }
    memorisation = Memorisation(training: real.training.x, heldOut: real.gate.x, width: width)
    for (place, (reason, score)) in scores.enumerated() {
      let known = Self.scores(real.gateSeen, real.gateConditions, by: scorers[place]).sorted()
      criteria.append(
        Criterion(
          reason: reason, score: score, threshold: Evaluation.quantile(share, ofSorted: known), reference: known))
    }
  }

  private static func scores(_ x: [Float], _ y: [Float], by scorer: RowScorer) -> [Double] {
    let width = scorer.elements, count = x.count / width, told = y.count / max(1, count)
    var found: [Double] = []
    for first in stride(from: 0, to: count, by: scorer.rows) {
      let filled = min(scorer.rows, count - first)
      for (place, value) in x[first * width..<(first + filled) * width].enumerated() { scorer.x[place] = value }
      if let input = scorer.y {
        for (place, value) in y[first * told..<(first + filled) * told].enumerated() { input[place] = value }
      }
      found += scorer.scores(of: filled)
    }
    return found
  }

  /// The result of the gate for one row.
  package struct Judgement: Sendable {
    /// The score for each criterion.
    package let scores: [Double]
    package let nearness: Memorisation.Nearness
    /// The first reason for rejection, or nil if the row is accepted.
    package let reason: Reason?
  }

  /// Returns the rows with the missing values of held-out rows, one held-out row for each row in turn. A row with
  /// missing values has a smaller score, so complete rows would not be comparable with the reference.
  private func withHoles(_ x: [Float]) -> [Float] {
    guard heldOut.contains(where: \.isNaN) else { return x }
    var seen = x
    for place in seen.indices where heldOut[place % heldOut.count].isNaN { seen[place] = .nan }
    return seen
  }

  /// Scores candidates and checks for copies. x (count, width), y (count, condition)
  package func judge(_ x: [Float], _ y: [Float]) -> [Judgement] {
    let seen = withHoles(x)
    let scores = scorers.map { Self.scores(seen, y, by: $0) }, nearness = memorisation.nearness(of: x)
    return nearness.indices.map { row in
      let own = scores.map { $0[row] }
      let failed = zip(criteria, own).first { $1 > $0.threshold }?.0.reason
      let isForeign = grid.isForeign(x[row * width..<(row + 1) * width])
      let copied = memorisation.tellsCopies && memorisation.isCopy(nearness[row]) ? Reason.copy : nil
      return Judgement(
        scores: own, nearness: nearness[row], reason: isForeign ? .density : failed ?? copied)
    }
  }
}
