import Communication
import Data
import Foundation
import Kernels
import Training

/// Results of one pass over a data set. They are the same on every rank.
package struct ScoredRows: Sendable {
  /// Scores in the order of the set.
  package let scores: [Double]
  /// Norm of every `spacing`-th row in the model's scale.
  package let norms: [Double]
  package let spacing: Int
  /// Counts of those rows in the bins of a baseline.
  package let columns: ColumnCounts?

  /// Creates the result for rows that arrived one at a time, without norms.
  package init(scores: [Double], columns: ColumnCounts?) {
    self.init(scores: scores, norms: [], spacing: 1, columns: columns)
  }

  init(scores: [Double], norms: [Double], spacing: Int, columns: ColumnCounts?) {
    (self.scores, self.norms, self.spacing, self.columns) = (scores, norms, spacing, columns)
  }

  /// Spearman correlation of score and norm; nil if one of them is constant.
  package var normCorrelation: Double? {
    rankCorrelation(stride(from: 0, to: scores.count, by: spacing).map { scores[$0] }, norms)
  }
}

/// Scores the rows of a data set. Each rank scores a contiguous part.
package final class ScoringPass {
  /// Maximum number of rows for which norms and columns are evaluated. Their statistics do not need more rows.
  package static let examined = 1 << 14

  private let scorer: RowScorer
  private let data: Dataset
  private let loader: BatchAssembler
  private let communicator: Communicator
  private let seed: UInt64
  private let count: Int
  private let share: Range<Int>
  private let spacing: Int
  private var scores: [Double] = []
  private var norms: [Double] = []
  private var columns: ColumnCounts?

  package init(
    _ model: TrainedModel, _ scorer: RowScorer, _ data: Dataset, baseline: ColumnBaseline? = nil,
    _ communicator: Communicator
  ) {
    self.scorer = scorer
    self.data = data
    self.communicator = communicator
    seed = model.seed
    var configuration = model.configuration.data
    // Binarization would draw noise that depends on the row's number, so the probabilities themselves are scored.
    configuration.binarize = .none
    loader = BatchAssembler(data: data, rows: scorer.rows, configuration: configuration)
    count = data.count
    share = Validator.share(of: count, rank: communicator.rank, size: communicator.size)
    spacing = (count + Self.examined - 1) / Self.examined
    columns = baseline.map(ColumnCounts.init)
  }

  /// Scores all rows. This call is collective.
  package func run() throws(Failure) -> ScoredRows {
    try communicator.together { () throws(Failure) in try scoreShare() }
    let shares = (0..<communicator.size).map { Validator.share(of: count, rank: $0, size: communicator.size) }
    let all = try gather(scores, shares.map(\.count))
    let examined = shares.map { share in share.count { $0 % spacing == 0 } }
    let norms = try gather(self.norms, examined)
    if let found = columns?.counts {
      let sums = try communicator.treeSum(leaves: communicator.size, width: found.count) { _, row in
        for (place, count) in found.enumerated() { row[place] = Double(count) }
      }
      columns?.replace(sums.map { Int($0) })
    }
    return ScoredRows(scores: all, norms: norms, spacing: spacing, columns: columns)
  }

  private func gather(_ mine: [Double], _ counts: [Int]) throws(Failure) -> [Double] {
    let all = Buffer.allocate(Double.self, count: counts.reduce(0, +))
    defer { all.deallocate() }
    try communicator.gather(mine, counts: counts, into: all)
    return Array(UnsafeBufferPointer(start: all, count: counts.reduce(0, +)))
  }

  private func scoreShare() throws(Failure) {
    let activity = Activity("scoring \(data.name)", of: share.count)
    defer { activity.end() }
    try data.prepare(share)
    scores.reserveCapacity(share.count)
    for first in stride(from: share.lowerBound, to: share.upperBound, by: scorer.rows) {
      let rows = first..<min(first + scorer.rows, share.upperBound)
      try loader.load(rows, into: scorer.x, scorer.y, seed: seed)
      for row in rows where row % spacing == 0 { examine(scorer.x + (row - first) * scorer.elements) }
      scores += scorer.scores(of: rows.count)
      Activity.advance(by: rows.count)
    }
  }

  private func examine(_ x: UnsafePointer<Float>) {
    let values = UnsafeBufferPointer(start: x, count: scorer.elements)
    norms.append(values.reduce(0.0) { $1.isNaN ? $0 : $0 + Double($1) * Double($1) }.squareRoot())
    columns?.add(x)
  }
}

/// A row with its score and reconstruction, in the model's scale.
package struct ExaminedRow: Sendable {
  package let index: Int
  package let score: Double
  /// (elements)
  package let x: [Float]
  /// E[x | z = mu]. (elements)
  package let mean: [Float]

  /// (x - mean)^2 of each element. A missing value contributes 0. (elements)
  package var contributions: [Float] {
    zip(x, mean).map { x, mean in x.isNaN ? 0 : (x - mean) * (x - mean) }
  }
}

extension ScoringPass {
  /// Returns the rows with the highest scores, highest first, on every rank. Call it after `run`. This call is
  /// collective.
  package func examine(top count: Int, of scores: [Double]) throws(Failure) -> [ExaminedRow] {
    let top = Array(scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(count))
    let ascending = top.sorted(), mine = ascending.filter(share.contains)
    let values = try communicator.together { () throws(Failure) in try rows(mine, withMeans: true) }
    let all = try communicator.gather(values.withUnsafeBytes { [UInt8]($0) }).flatMap { part in
      part.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
    let width = scorer.elements
    let places = Dictionary(uniqueKeysWithValues: ascending.enumerated().map { ($1, 2 * width * $0) })
    return top.map { index in
      let at = places[index] ?? 0
      return ExaminedRow(
        index: index, score: scores[index], x: Array(all[at..<at + width]),
        mean: Array(all[at + width..<at + 2 * width]))
    }
  }

  /// Returns at most `limit` evenly spaced rows in the model's scale, on every rank. Call it after `run`. This call is
  /// collective.
  package func spread(atMost limit: Int) throws(Failure) -> [Float] {
    let chosen = (0..<count).spaced(limit).filter(share.contains)
    let mine = try communicator.together { () throws(Failure) in try rows(chosen) }
    return try communicator.gather(mine.withUnsafeBytes { [UInt8]($0) }).flatMap { part in
      part.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
  }

  /// The values of the rows in order. With `withMeans`, each row is followed by its reconstruction E[x | z = mu].
  private func rows(_ indices: [Int], withMeans: Bool = false) throws(Failure) -> [Float] {
    let width = scorer.elements
    var values: [Float] = []
    values.reserveCapacity(indices.count * width * (withMeans ? 2 : 1))
    for first in stride(from: 0, to: indices.count, by: scorer.rows) {
      let chosen = indices[first..<min(first + scorer.rows, indices.count)]
      try loader.load(chosen, into: scorer.x, scorer.y, seed: seed)
      if withMeans { scorer.replayAtMean() }
      for place in 0..<chosen.count {
        values += UnsafeBufferPointer(start: scorer.x + place * width, count: width)
        if withMeans { values += UnsafeBufferPointer(start: scorer.mean + place * width, count: width) }
      }
    }
    return values
  }
}
