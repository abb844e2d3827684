import Communication
import Foundation

/// What was measured of a step's parts. Seconds, with all ranks of a node at work unless it says otherwise.
package struct StepCosts: Equatable, Sendable, BitwiseCopyable {
  /// Elements of the gradient.
  package var parameters: Int
  /// float64 values of a microbatch's row.
  package var rowWidth = 6
  /// Bytes of an element between nodes.
  package var wireBytes = 4
  /// Whether the ranks of a node share one copy of the parameters, and the update of it.
  package var isUpdateShared = true
  /// Ranks of a node while this was measured.
  package var ranksPerNode = 1
  /// One microbatch: loaded, forward, backward.
  package var microbatch: Double
  /// One microbatch when the other ranks sleep.
  package var microbatchAlone: Double
  /// Standard deviation of `microbatch` over time.
  package var jitter: Double
  /// Adding one buffer to another, per byte of it.
  package var addPerByte: Double
  /// The same over buffers that another rank has written, and the sums of squares.
  package var windowAddPerByte: Double
  package var squaresPerByte: Double
  /// An exchange of next to nothing, without its rows.
  package var rendezvous: Double
  /// What a row adds to an exchange.
  package var row: Double
  /// The optimiser, per parameter.
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

/// The parts of a predicted step, seconds.
package struct StepParts: Equatable, Sendable {
  /// Microbatches of the busiest rank.
  package var compute = 0.0
  /// What more nodes do not make shorter: a node's update of its parameters, and the root's rows.
  package var serial = 0.0
  /// Sums within a rank and within a node.
  package var node = 0.0
  package var latency = 0.0
  package var bandwidth = 0.0
  /// Waiting for the slowest.
  package var jitter = 0.0
  package var total: Double { compute + serial + node + latency + bandwidth + jitter }
}

/// Predicts the time of an optimiser step.
///
/// P ranks, R a node, M = P/R nodes; V microbatches, k of them on the busiest rank; N parameters, n = 4N bytes; a, o
/// and b latency, overhead of a message and seconds per byte of the network. The ranks of a node hold B aligned subtrees
/// ("blocks") of the tree, which the node sums to m: B = R and m = 1 where powers of two divide each other.
///
///     compute    k t, t of one microbatch with all ranks of a node at work: they share its memory
///     node       merges(k) n g + n/R ((B - m) w + s) + rendezvous max(1, R/R0), measured with R0 ranks
///     latency    2 a + 6 (M - 1) o
///     bandwidth  (m + 1) (M - 1)/M n b + 8 V W (M - 1)/M b + (m - 1/M) n/R g
///     serial     N/R u + V row
///     jitter     sigma sqrt(k) e(P)
///
/// Where it departs from the common T = ... + 2 ceil(log2 M) a + 2 (M - 1)/M n b + ... + sigma sqrt(2 ln P):
/// - Nodes exchange directly, a message for each pair, lane and way, not by halving: latency is paid twice, but every
///   message costs its overhead, and the root has most: scatter and gather of its lane, rows, and answers.
/// - The rows of V microbatches, W float64 each, cross the network, too.
/// - A rank waits for a counter of every rank of its node: R, not log2 R.
/// - The ranks of a node share one copy of the parameters, and the update of it (unless optimizer.sharding is none);
///   with train.wire bfloat16, n b is halved.
/// - sqrt(2 ln P) is the limit for many ranks: 1.18 sigma instead of 0.56 for two, 3.72 instead of 3.25 for 1,024. e(P)
///   is Blom's estimate of the expected largest of P normal deviates: 4 % high for two, within 1 % from ten.
/// - What a step waits for is the sum of k microbatches, whose deviations are independent: sigma sqrt(k).
/// Nothing is taken to be hidden behind the backward pass: with buckets, a slow network does better than this.
package struct StepModel: Sendable {
  package let costs: StepCosts
  package let network: Network
  package let ranksPerNode: Int

  package init(_ costs: StepCosts, network: Network, ranksPerNode: Int) {
    precondition(ranksPerNode > 0, "a node of \(ranksPerNode) ranks")
    (self.costs, self.network, self.ranksPerNode) = (costs, network, ranksPerNode)
  }

  /// One step of `microbatches` over `ranks`, of which there must be at most as many.
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

  /// Of an exchange of next to nothing between nodes.
  static func latency(nodes: Double, _ network: Network) -> Double {
    2 * network.latency + 6 * (nodes - 1) * network.overhead
  }

  /// One rank that has its node to itself: what efficiency is measured against.
  package func alone(microbatches: Int) -> Double {
    var parts = StepModel(costs, network: network, ranksPerNode: 1).step(ranks: 1, microbatches: microbatches)
    parts.compute *= costs.microbatchAlone / costs.microbatch
    return parts.total
  }

  /// Expected largest of P standard normal deviates: G^-1((P - 3/8) / (P + 1/4)), Blom 1958; 0 for P = 1.
  package static func expectedLargest(of count: Int) -> Double {
    quantile((Double(count) - 0.375) / (Double(count) + 0.25))
  }

  /// Standard normal quantile, by bisection of the error function.
  static func quantile(_ p: Double) -> Double {
    var low = -9.0, high = 9.0
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if erfc(-middle / 2.0.squareRoot()) / 2 < p { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}
