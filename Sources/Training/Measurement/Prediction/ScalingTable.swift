import Kernels

/// Predicted steps of a model on 8, 16, ... ranks.
package struct ScalingTable: Sendable {
  package enum Kind: String, CaseIterable, Sendable {
    /// The global batch stays: the work is shared by more ranks.
    case strong
    /// A rank's batch stays: the global batch grows with the ranks.
    case weak
  }

  package struct Row: Sendable {
    package let ranks: Int
    package let microbatches: Int
    package let parts: StepParts
    /// Speed against that of `ranks` ranks that need nobody: one rank alone, times their number.
    package let efficiency: Double
  }

  package let kind: Kind
  package let network: Network
  package let rows: [Row]

  /// - microbatches: of the global batch (strong), or of a rank (weak). Rows end where ranks would have nothing to do.
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

  /// 8, 16, ... and the largest.
  package static func ranks(upTo largest: Int) -> [Int] {
    var all = [Int](), next = 8
    while next < largest {
      all.append(next)
      next *= 2
    }
    return all + [largest]
  }
}
