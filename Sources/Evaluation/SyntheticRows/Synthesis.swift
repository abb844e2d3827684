import Kernels

/// Synthetic rows, drawn class by class, and the candidates that the gate rejected.
package struct Synthesis: Sendable {
  /// Counts for one class.
  package struct Outcome: Sendable {
    package let wanted: Int
    package fileprivate(set) var kept = 0
    package fileprivate(set) var drawn = 0
    package fileprivate(set) var rejected: [QualityGate.Reason: Int] = [:]

    package var isFull: Bool { kept == wanted }
    package var acceptance: Double { drawn > 0 ? Double(kept) / Double(drawn) : 1 }
  }

  /// A rejected candidate.
  package struct Rejected: Sendable {
    package let x: [Float]
    package let place: Int
    package let reason: QualityGate.Reason
    package let judgement: QualityGate.Judgement
  }

  package private(set) var rows: LabelledRows
  package private(set) var judgements: [QualityGate.Judgement] = []
  package private(set) var outcomes: [Outcome] = []
  /// A few rejected candidates of each class and reason.
  package private(set) var examples: [Rejected] = []
  /// Scores of all candidates, for each criterion.
  package private(set) var scores: [[Double]]

  /// Sampling of a class stops early if the share of candidates that pass is below this value.
  package static let leastAcceptance = 0.05
  private static let examplesEach = 4

  package init(_ wanted: [Int], from source: CandidateSource, grid: ValueGrid, gate: QualityGate, width: Int) {
    rows = LabelledRows([], classes: [], width: width)
    scores = gate.criteria.map { _ in [] }
    let activity = Activity("drawing rows", of: wanted.reduce(0, +))
    defer { activity.end() }
    for (place, count) in wanted.enumerated() {
      outcomes.append(Outcome(wanted: count))
      var block = 0
      let most = max(8 * CandidateSource.block, Int(Double(count) / Self.leastAcceptance))
      while !outcomes[place].isFull, outcomes[place].drawn < most {
        let drawn = source.block(block, ofClass: place), x = grid.project(drawn.x)
        admit(x, gate.judge(x, drawn.y), place)
        block += 1
      }
    }
  }

  private mutating func admit(_ x: [Float], _ found: [QualityGate.Judgement], _ place: Int) {
    let width = rows.width
    for (row, judgement) in found.enumerated() where !outcomes[place].isFull {
      outcomes[place].drawn += 1
      for (criterion, score) in judgement.scores.enumerated() { scores[criterion].append(score) }
      let values = x[row * width..<(row + 1) * width]
      guard let reason = judgement.reason else {
        rows.x += values
        rows.classes.append(place)
        judgements.append(judgement)
        outcomes[place].kept += 1
        Activity.advance()
        continue
      }
      outcomes[place].rejected[reason, default: 0] += 1
      if outcomes[place].rejected[reason] ?? 0 <= Self.examplesEach {
        examples.append(Rejected(x: Array(values), place: place, reason: reason, judgement: judgement))
      }
    }
  }

  package var drawn: Int { outcomes.reduce(0) { $0 + $1.drawn } }
  package var acceptance: Double { drawn > 0 ? Double(rows.count) / Double(drawn) : 1 }
  package func rejected(for reason: QualityGate.Reason) -> Int {
    outcomes.reduce(0) { $0 + ($1.rejected[reason] ?? 0) }
  }
}
