import Kernels

/// Number of bytes that an exchange allocates.
package struct ExchangeMemory: Equatable, Sendable {
  /// Memory of this rank alone: temporaries, and buffers for messages from and to other nodes.
  package let own: Int
  /// Memory that the ranks of this rank's node share; 0 if the rank is alone on its node.
  package let window: Int

  package init(
    tree: ReductionTree, count: Int, rowWidth: Int, route: ExchangeRoute, wire: WireFormat, nodes: [Range<Int>],
    rank: Int
  ) {
    let nodes = route == .messages ? (0..<tree.ranks).map { $0..<$0 + 1 } : nodes
    let plan = ExchangePlan(tree: tree, count: count, rowWidth: rowWidth, nodes: nodes)
    let node = nodes.firstIndex { $0.contains(rank) } ?? 0
    let program = tree.localProgram(of: rank)
    let rows = tree.leaves * rowWidth * MemoryLayout<Double>.stride
    let layout = nodes[node].reduce(0) { $0 + NodeLayout.bytes(plan, rank: $1) }
    let isAlone = nodes[node].count == 1
    var own = (program.buffers - program.blocks.count) * count * MemoryLayout<Float>.stride + rows
    if isAlone { own += layout }
    if nodes.count > 1 {
      if rank == nodes[node].lowerBound { own += rows }
      own += ExchangeMemory.lane(plan, node: node, lane: rank - nodes[node].lowerBound, wire)
    }
    self.own = own
    window = isAlone ? 0 : layout
  }

  /// Number of bytes that a `LaneBucket` of all elements allocates. Several buckets divide the same elements among
  /// them.
  private static func lane(_ plan: ExchangePlan, node: Int, lane: Int, _ wire: WireFormat) -> Int {
    let slice = plan.slice(bucket: 0, of: 1, lane: lane)
    let owned = plan.part(of: slice, node: node).count, others = slice.count - owned
    let blocks = plan.nodes.indices.map { plan.nodeBlocks(of: $0).count }
    let received = (blocks.reduce(0, +) - blocks[node]) * owned
    guard wire == .bfloat16 else { return received * MemoryLayout<Float>.stride }
    let converted = received + blocks[node] * others + owned + others
    return received * MemoryLayout<Float>.stride + converted * MemoryLayout<UInt16>.stride
  }
}
