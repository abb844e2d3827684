import Foundation

/// How near rows lie to training rows, and whether they are nearer than real rows are: a model that has memorised hands
/// out its training rows again.
///
/// Two numbers of each row: the distance to the nearest training row, and that over the distance to the second nearest.
/// A smooth row is nearer to all rows than a real one is, and not tied to any; a copy is tied to one. What is usual comes
/// from real rows: held-out ones, and each training row among the others. After Meehan, Chaudhuri and Dasgupta, "A
/// non-parametric test to detect data-copying in generative models", AISTATS 2020.
package struct Memorisation {
  package struct Nearness: Equatable, Sendable {
    /// The nearest training row.
    package let index: Int
    package let distance: Double
    /// 1 where the two nearest rows are equally near, 0 for a copy.
    package let ratio: Double

    init(_ nearest: [NearestRows.Neighbour]) {
      index = nearest[0].index
      distance = nearest[0].distance
      let second = nearest.count > 1 ? nearest[1].distance : distance
      ratio = second > 0 ? distance / second : 1
    }
  }

  /// Share of real rows that lie as near as a copy does.
  package static let copyQuantile = 0.001
  private static let mostReferences = 4_000

  private let training: NearestRows
  /// Of real rows.
  package let reference: [Nearness]
  /// At or below either of them a row is as near as a copy.
  package let distanceLimit: Double
  package let ratioLimit: Double
  /// Real rows that are: more than `copyQuantile` where data repeats itself.
  package private(set) var referenceCopies = 0

  /// training, heldOut: (count, width); at least three training rows.
  package init(training: [Float], heldOut: [Float], width: Int) {
    let rows = NearestRows(training, width: width)
    precondition(rows.count > 2, "\(rows.count) training rows to be near to")
    self.training = rows
    let chosen = (0..<rows.count).spaced(Memorisation.mostReferences)
    let queries = chosen.flatMap { rows.rows[$0 * width..<($0 + 1) * width] }
    let real = (rows.nearest(2, to: queries, own: { chosen[$0] }) + rows.nearest(2, to: heldOut)).map(Nearness.init)
    func limit(_ values: [Double]) -> Double {
      values.sorted()[Int(Memorisation.copyQuantile * Double(values.count))]
    }
    reference = real
    distanceLimit = limit(real.map(\.distance))
    ratioLimit = limit(real.map(\.ratio))
    referenceCopies = real.count(where: isCopy)
  }

  package func nearness(of rows: [Float]) -> [Nearness] { training.nearest(2, to: rows).map(Nearness.init) }

  package func isCopy(_ row: Nearness) -> Bool { row.distance <= distanceLimit || row.ratio <= ratioLimit }

  /// Whether a single row can be told to be a copy: where real rows repeat one another, only their number can.
  package var tellsCopies: Bool { Double(referenceCopies) <= 0.01 * Double(reference.count) }

  /// What all rows together show.
  package func verdict(on rows: [Nearness]) -> MemorisationVerdict {
    MemorisationVerdict(
      rows: rows.count, copies: rows.count(where: isCopy),
      usualShare: Double(referenceCopies) / Double(reference.count),
      distances: MannWhitney(rows.map(\.distance), below: reference.map(\.distance)),
      ratios: MannWhitney(rows.map(\.ratio), below: reference.map(\.ratio)))
  }
}

package struct MemorisationVerdict: Equatable, Sendable {
  package let rows: Int
  /// As near to a training row as a copy.
  package let copies: Int
  /// Of real rows.
  package let usualShare: Double
  /// Of these rows below those of real ones.
  package let distances: MannWhitney
  package let ratios: MannWhitney

  /// Of a hundred pairs, those in which the synthetic row is more tied to one training row than the real row is.
  package static let mostTied = 0.8
  private static let mostDoubt = 0.001

  /// More than there would be among as many real rows.
  package var hasCopies: Bool {
    copies > binomialQuantile(1 - Self.mostDoubt, trials: rows, probability: usualShare)
  }

  /// As a whole, without any row being a copy.
  package var isTied: Bool { ratios.share > Self.mostTied && ratios.pValue < Self.mostDoubt }
  package var isMemorised: Bool { hasCopies || isTied }
}
