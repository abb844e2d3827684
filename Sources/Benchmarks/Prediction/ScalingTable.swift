import Training
import Kernels

/// Predicted steps of a model on 8, 16, ... ranks.
package struct ScalingTable: Sendable {
  package enum Kind: String, CaseIterable, Sendable {
    /// The global batch is fixed, so that more ranks share the same work.
    case strong
    /// The batch per rank is fixed, so that the global batch grows with the number of ranks.
    case weak
  }

  package struct Row: Sendable {
    package let ranks: Int
    package let microbatches: Int
    package let parts: StepParts
    /// Speed relative to the same number of independent ranks, each as fast as one rank alone.
    package let efficiency: Double
  }

  package let kind: Kind
  package let network: Network
  package let rows: [Row]

  /// Predicts the rows of the table. Numbers of ranks that would leave a rank without work are omitted.
  ///
  /// - Parameter microbatches: Number of microbatches of the global batch (strong) or of a rank (weak).
  package init(
    _ kind: Kind, _ costs: StepCosts, network: Network, ranksPerNode: Int, largest: Int, microbatches: Int
  ) {
    (self.kind, self.network) = (kind, network)
    let model = StepModel(costs, network: network, ranksPerNode: ranksPerNode)
    rows = ScalingTable.ranks(upTo: largest).compactMap { ranks in
      let all = kind == .strong ? microbatches : microbatches * ranks
      guard all >= ranks else { return nil }
      let parts = model.step(ranks: ranks, microbatches: all)
      let alone = model.alone(microbatches: microbatches)
      return Row(
        ranks: ranks, microbatches: all, parts: parts,
        efficiency: alone / parts.total / (kind == .strong ? Double(ranks) : 1))
    }
  }

  /// The powers of two from 8 up that are below `largest`, and `largest` itself.
  package static func ranks(upTo largest: Int) -> [Int] {
    var all = [Int](), next = 8
    while next < largest {
      all.append(next)
      next *= 2
    }
    return all + [largest]
  }
}
