import Training
import Communication
import Foundation

/// Measured costs of the parts of a step, in seconds. Unless noted otherwise, all ranks of a node work at the same
/// time.
package struct StepCosts: Equatable, Sendable, BitwiseCopyable {
  /// Number of elements of the gradient.
  package var parameters: Int
  /// Number of float64 values in the row of a microbatch.
  package var rowWidth = 6
  /// Bytes per element in messages between nodes.
  package var wireBytes = 4
  /// Whether the ranks of a node share one copy of the parameters and divide its update among them.
  package var isUpdateShared = true
  /// Number of ranks per node during the measurement.
  package var ranksPerNode = 1
  /// Loading, forward and backward pass of one microbatch.
  package var microbatch: Double
  /// The same while all other ranks sleep.
  package var microbatchAlone: Double
  /// Standard deviation of `microbatch` over time.
  package var jitter: Double
  /// Adding one buffer to another, per byte of a buffer.
  package var addPerByte: Double
  /// Adding buffers that another rank has written, and summing squares, both per byte.
  package var windowAddPerByte: Double
  package var squaresPerByte: Double
  /// An exchange of a single value, without its rows.
  package var rendezvous: Double
  /// Additional time of an exchange per row.
  package var row: Double
  /// Update by the optimiser, per parameter.
  package var update: Double

  package init(
    parameters: Int, microbatch: Double, microbatchAlone: Double, jitter: Double = 0, addPerByte: Double = 0,
    windowAddPerByte: Double = 0, squaresPerByte: Double = 0, rendezvous: Double = 0, row: Double = 0,
    update: Double = 0, ranksPerNode: Int = 1
  ) {
    (self.parameters, self.microbatch, self.microbatchAlone) = (parameters, microbatch, microbatchAlone)
    (self.jitter, self.addPerByte, self.windowAddPerByte) = (jitter, addPerByte, windowAddPerByte)
    (self.squaresPerByte, self.rendezvous, self.row, self.update) = (squaresPerByte, rendezvous, row, update)
    self.ranksPerNode = ranksPerNode
  }
}

/// The parts of a predicted step, in seconds.
package struct StepParts: Equatable, Sendable {
  /// Microbatches of the busiest rank.
  package var compute = 0.0
  /// Work that additional nodes do not shorten: the update of the parameters on a node, and the rows on the root.
  package var serial = 0.0
  /// Sums within a rank and within a node.
  package var node = 0.0
  package var latency = 0.0
  package var bandwidth = 0.0
  /// Waiting for the slowest rank.
  package var jitter = 0.0
  package var total: Double { compute + serial + node + latency + bandwidth + jitter }
}

/// Predicts the time of an optimiser step.
///
/// There are P ranks, R per node, on M = P/R nodes; V microbatches, k of them on the busiest rank; and N parameters, or
/// n = 4N bytes. The network has latency a, overhead o per message, and b seconds per byte. The ranks of a node hold B
/// aligned subtrees ("blocks") of the tree, which the node sums to m blocks. If the numbers are powers of two, B = R
/// and m = 1.
///
///     compute    k t, with t for one microbatch while all ranks of a node work and share its memory
///     node       merges(k) n g + n/R ((B - m) w + s) + rendezvous max(1, R/R0), measured with R0 ranks
///     latency    2 a + 6 (M - 1) o
///     bandwidth  (m + 1) (M - 1)/M n b + 8 V W (M - 1)/M b + (m - 1/M) n/R g
///     serial     N/R u + V row
///     jitter     sigma sqrt(k) e(P)
///
/// Here g, w and s are the costs per byte of adding buffers, adding buffers of other ranks, and summing squares; u is
/// the update per parameter, and W the number of float64 values per row.
///
/// The model differs from the common T = ... + 2 ceil(log2 M) a + 2 (M - 1)/M n b + ... + sigma sqrt(2 ln P):
/// - Nodes exchange directly and not by recursive halving, with a message for each pair of nodes, lane and direction.
///   The latency occurs twice, but every message costs its overhead. The root has the most messages: scatter and gather
///   of its lane, the rows, and the answers.
/// - The rows of V microbatches, of W float64 values each, cross the network, too.
/// - A rank waits for a counter of every rank of its node. The cost grows with R and not with log2 R.
/// - The ranks of a node share one copy of the parameters and divide its update, unless optimizer.sharding is none.
///   With train.wire bfloat16, n b is halved.
/// - The term sqrt(2 ln P) is the limit for many ranks. It gives 1.18 sigma instead of 0.56 for two ranks, and 3.72
///   instead of 3.25 for 1,024. The model uses Blom's estimate e(P) of the expected largest of P normal deviates, which
///   is 4 % too high for two ranks and within 1 % from ten ranks on.
/// - A step waits for the sum of k microbatches with independent deviations, which gives sigma sqrt(k).
///
/// The model assumes that no communication is hidden behind the backward pass. With buckets, a step on a slow network
/// takes less time than predicted.
package struct StepModel: Sendable {
  package let costs: StepCosts
  package let network: Network
  package let ranksPerNode: Int

  package init(_ costs: StepCosts, network: Network, ranksPerNode: Int) {
    precondition(ranksPerNode > 0, "a node of \(ranksPerNode) ranks")
    (self.costs, self.network, self.ranksPerNode) = (costs, network, ranksPerNode)
  }

  /// Predicts one step of `microbatches` on `ranks` ranks. There must be at least one microbatch per rank.
  package func step(ranks: Int, microbatches: Int) -> StepParts {
    precondition(ranks >= 1 && microbatches >= ranks, "\(microbatches) microbatches on \(ranks) ranks")
    let tree = ReductionTree(leaves: microbatches, ranks: ranks)
    let local = min(ranksPerNode, ranks), nodes = Double((ranks + local - 1) / local)
    let busiest = (0..<ranks).max { tree.range(of: $0).count < tree.range(of: $1).count } ?? 0
    let program = tree.localProgram(of: busiest)
    let merges = program.leaves.reduce(0) { $0 + $1.merges.count }
    let blocks = (0..<local).reduce(0) { $0 + tree.blocks(of: $1).count }
    let ofNode = tree.range(of: 0).lowerBound..<tree.range(of: local - 1).upperBound
    let kept = nodes > 1 ? ReductionTree.blocks(in: ofNode).count : 1
    let bytes = 4 * Double(costs.parameters), slice = bytes / Double(local)
    let crossing = (nodes - 1) / nodes

    var parts = StepParts()
    parts.compute = Double(program.leaves.count) * costs.microbatch
    parts.node =
      Double(merges) * bytes * costs.addPerByte
      + slice * (Double(blocks - kept) * costs.windowAddPerByte + costs.squaresPerByte)
      + costs.rendezvous * max(1, Double(local) / Double(costs.ranksPerNode))
    if nodes > 1 {
      parts.latency = StepModel.latency(nodes: nodes, network)
      parts.bandwidth =
        (Double(kept) + 1) * crossing * bytes * Double(costs.wireBytes) / 4 * network.secondsPerByte
        + crossing * Double(8 * microbatches * costs.rowWidth) * network.secondsPerByte
        + (Double(kept) - 1 / nodes) * slice * costs.addPerByte
    }
    parts.serial =
      Double(costs.parameters) / Double(costs.isUpdateShared ? local : 1) * costs.update + Double(microbatches)
      * costs.row
    parts.jitter =
      costs.jitter * Double(program.leaves.count).squareRoot() * StepModel.expectedLargest(of: ranks)
    return parts
  }

  /// Latency part of an exchange between nodes.
  static func latency(nodes: Double, _ network: Network) -> Double {
    2 * network.latency + 6 * (nodes - 1) * network.overhead
  }

  /// Predicted seconds of a step on a single rank that has its node to itself, which is the reference for efficiency.
  package func alone(microbatches: Int) -> Double {
    var parts = StepModel(costs, network: network, ranksPerNode: 1).step(ranks: 1, microbatches: microbatches)
    parts.compute *= costs.microbatchAlone / costs.microbatch
    return parts.total
  }

  /// Expected largest of P standard normal deviates: G^-1((P - 3/8) / (P + 1/4)), where G is the normal distribution
  /// function; 0 for P = 1. Source: Blom, 1958.
  package static func expectedLargest(of count: Int) -> Double {
    quantile((Double(count) - 0.375) / (Double(count) + 0.25))
  }

  /// Quantile of the standard normal distribution, computed by bisection.
  static func quantile(_ p: Double) -> Double {
    var low = -9.0, high = 9.0
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if erfc(-middle / 2.0.squareRoot()) / 2 < p { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}
