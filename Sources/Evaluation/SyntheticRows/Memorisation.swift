import Foundation

/// Tests whether generated rows are copies of training rows, by comparing how close generated rows and real rows are to
/// the training rows.
///
/// Two measures are used for each row: the distance to the nearest training row, and the ratio of that distance to the
/// distance to the second nearest. A smooth row is closer than a real one to many training rows, but a copy is close to
/// only one. The reference distribution comes from held-out rows and from each training row compared with the other
/// training rows. After Meehan, Chaudhuri and Dasgupta, "A non-parametric test to detect data-copying in generative
/// models", AISTATS 2020.
package struct Memorisation {
  package struct Nearness: Equatable, Sendable {
    /// Index of the nearest training row.
    package let index: Int
    package let distance: Double
    /// Distance to the nearest row divided by the distance to the second nearest: 1 if both are equal, and 0 for an
    /// exact copy.
    package let ratio: Double

    init(_ nearest: [NearestRows.Neighbour]) {
      index = nearest[0].index
      distance = nearest[0].distance
      let second = nearest.count > 1 ? nearest[1].distance : distance
      ratio = second > 0 ? distance / second : 1
    }
  }

  /// Quantile of each measure over real rows at which a row counts as a copy.
  package static let copyQuantile = 0.001
  private static let mostReferences = 4_000

  private let training: NearestRows
  /// The measures of real rows.
  package let reference: [Nearness]
  /// A row counts as a copy if its distance is at most this limit or its ratio is at most `ratioLimit`.
  package let distanceLimit: Double
  package let ratioLimit: Double
  /// Number of real rows that count as copies. If the data contains duplicates, their share is larger than
  /// `copyQuantile`.
  package private(set) var referenceCopies = 0

  /// Computes the reference distribution and the limits.
  /// - training: The training rows, at least three. (count, width)
  /// - heldOut: Rows that the model was not trained on. (count, width)
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

  /// Whether a single row can be identified as a copy. If many real rows are duplicates, only the number of copies can
  /// be tested.
  package var tellsCopies: Bool { Double(referenceCopies) <= 0.01 * Double(reference.count) }

  /// The result of the test for a set of rows.
  package func verdict(on rows: [Nearness]) -> MemorisationVerdict {
    MemorisationVerdict(
      rows: rows.count, copies: rows.count(where: isCopy),
      usualShare: Double(referenceCopies) / Double(reference.count),
      distances: MannWhitney(rows.map(\.distance), below: reference.map(\.distance)),
      ratios: MannWhitney(rows.map(\.ratio), below: reference.map(\.ratio)))
  }
}

/// The result of a memorisation test for a set of generated rows.
package struct MemorisationVerdict: Equatable, Sendable {
  package let rows: Int
  /// Number of rows that are as close to a training row as a copy.
  package let copies: Int
  /// Share of real rows that count as copies.
  package let usualShare: Double
  /// Whether the distances of these rows are below those of real rows. `ratios` is the same test for the ratios.
  package let distances: MannWhitney
  package let ratios: MannWhitney

  /// Largest acceptable share of pairs in which the ratio of the synthetic row is below that of the real row.
  package static let mostTied = 0.8
  private static let mostDoubt = 0.001

  /// Whether there are significantly more copies than among real rows.
  package var hasCopies: Bool {
    copies > binomialQuantile(1 - Self.mostDoubt, trials: rows, probability: usualShare)
  }

  /// Whether the rows as a whole are too close to single training rows, even if no row is a copy.
  package var isTied: Bool { ratios.share > Self.mostTied && ratios.pValue < Self.mostDoubt }
  package var isMemorised: Bool { hasCopies || isTied }
}
