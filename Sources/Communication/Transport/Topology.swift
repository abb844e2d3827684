import CMPIShim
import Foundation
import Kernels

/// Which ranks share memory. The ranks of a node are consecutive, and lane i consists of the i-th ranks of all nodes.
package final class Topology {
  /// The ranks of each node.
  package let nodes: [Range<Int>]
  /// The index of this rank's node (`node`) and the rank's index within its node (`nodeRank`).
  package let node: Int
  package let nodeRank: Int
  /// Number of lanes between nodes: the number of ranks of the smallest node.
  package let lanes: Int
  /// A communicator of the ranks that share this rank's memory; nil if the rank is alone.
  let memory: OpaquePointer?
  /// A communicator of the ranks of this rank's lane, in order of node; nil for a single node and for ranks without a
  /// lane.
  let lane: OpaquePointer?

  package var isOneNode: Bool { nodes.count == 1 }
  /// Number of ranks on this rank's machine, which exceeds that of its node if VAE_DIST_NODE_RANKS divides the machine.
  package let machineSize: Int
  /// The ranks of this rank's node.
  package var neighbours: Range<Int> { nodes[node] }

  /// Creates the topology. Collective.
  ///
  /// - memory: a communicator of the node's ranks, which `close` frees.
  init(
    world: OpaquePointer, rank: Int, nodes: [Range<Int>], memory: OpaquePointer?, machineSize: Int
  ) throws(Failure) {
    self.nodes = nodes
    self.machineSize = machineSize
    let node = nodes.firstIndex { $0.contains(rank) } ?? 0
    self.node = node
    nodeRank = rank - nodes[node].lowerBound
    lanes = nodes.map(\.count).min() ?? 1
    self.memory = memory
    guard nodes.count > 1 else {
      lane = nil
      return
    }
    var part: OpaquePointer?
    try Communicator.check(
      vd_mpi_split(world, nodeRank < lanes ? Int32(nodeRank) : -1, Int32(node), &part), "joining ranks across nodes")
    lane = part
  }

  /// Returns a topology in which every rank is a node of its own, as if no ranks shared memory. Collective.
  package static func separate(_ communicator: Communicator) throws(Failure) -> Topology {
    try Topology(
      world: communicator.world, rank: communicator.rank, nodes: (0..<communicator.size).map { $0..<$0 + 1 },
      memory: nil, machineSize: communicator.topology.machineSize)
  }

  /// Waits for all ranks of this node.
  package func barrier() throws(Failure) {
    if let memory { try Communicator.check(vd_mpi_barrier(memory), "waiting for the ranks of this node") }
  }

  /// Frees the communicators. Collective.
  package func close() {
    if let lane { vd_mpi_free_comm(lane) }
    if let memory { vd_mpi_free_comm(memory) }
  }
}

/// Finds the ranks that share memory and numbers all ranks by node, whatever order the launcher gave them.
struct RankPlacement {
  let seat: Int
  let nodes: [Range<Int>]
  let memory: OpaquePointer?
  let machineSize: Int

  /// Collective. VAE_DIST_NODE_RANKS=n divides the ranks that share memory into nodes of n ranks, for example one per
  /// socket.
  init(_ world: OpaquePointer, rank: Int, size: Int) throws(Failure) {
    var memory: OpaquePointer?
    var nodeRank: Int32 = 0
    var nodeSize: Int32 = 1
    try Communicator.check(vd_mpi_split_node(world, &memory, &nodeRank, &nodeSize), "finding the ranks of this node")
    machineSize = Int(nodeSize)
    let text = ProcessInfo.processInfo.environment["VAE_DIST_NODE_RANKS"] ?? ""
    // The value of the first rank applies, because ranks that divided a node differently would wait for each other.
    var limit = Int32(text) ?? 0
    try withUnsafeMutableBytes(of: &limit) { bytes throws(Failure) in
      try Communicator.check(vd_mpi_broadcast(memory, bytes.baseAddress, 4, 0), "dividing the ranks of this node")
    }
    if limit > 0, let whole = memory {
      var part: OpaquePointer?
      try Communicator.check(
        vd_mpi_split(whole, nodeRank / limit, nodeRank, &part), "dividing the ranks of this node")
      vd_mpi_free_comm(whole)
      memory = part
      nodeRank %= limit
    }
    // A node is identified by the launcher's rank number of its first rank.
    var first = Int64(rank)
    try withUnsafeMutableBytes(of: &first) { bytes throws(Failure) in
      try Communicator.check(vd_mpi_broadcast(memory, bytes.baseAddress, 8, 0), "naming this node")
    }
    var mine = first << 32 | Int64(nodeRank)
    var all = [Int64](repeating: 0, count: size)
    let eights = [UInt64](repeating: 8, count: size)
    let places = (0..<size).map { UInt64(8 * $0) }
    try Communicator.check(vd_mpi_allgather(world, &mine, 8, &all, eights, places), "comparing nodes")
    let order = all.sorted()
    seat = order.firstIndex(of: mine) ?? rank
    var nodes = [Range<Int>]()
    for (at, value) in order.enumerated() {
      if value & 0xffff_ffff == 0 { nodes.append(at..<at) }
      nodes[nodes.count - 1] = nodes[nodes.count - 1].lowerBound..<at + 1
    }
    self.nodes = nodes
    if nodes[nodes.firstIndex { $0.contains(order.firstIndex(of: mine) ?? 0) } ?? 0].count == 1, let alone = memory {
      vd_mpi_free_comm(alone)
      memory = nil
    }
    self.memory = memory
  }
}
