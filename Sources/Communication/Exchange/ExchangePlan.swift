import Kernels

/// Who sums which elements: the same on every rank.
///
/// Elements are cut into buckets (the last parameters first, as backward finishes them), a bucket into one slice for
/// each lane, and a lane's slice into one part for each node. A rank sums its slice over the blocks of its node; across
/// nodes the owner of a part finishes the tree for it.
package struct ExchangePlan {
  /// Elements summed at a time: two buffers of it stay in the first-level cache. Slices end at its multiples, so that
  /// partial sums of squares do not depend on how many slices there are.
  package static let chunk = 4096
  /// Parts end at whole cache lines.
  static let line = 16

  let tree: ReductionTree
  let count: Int
  let rowWidth: Int
  let nodes: [Range<Int>]
  let lanes: Int
  package let chunks: Int
  /// Blocks of each rank.
  package let blockCounts: [Int]

  package init(tree: ReductionTree, count: Int, rowWidth: Int, nodes: [Range<Int>]) {
    self.tree = tree
    self.count = count
    self.rowWidth = rowWidth
    self.nodes = nodes
    lanes = nodes.map(\.count).min() ?? 1
    chunks = max(1, (count + ExchangePlan.chunk - 1) / ExchangePlan.chunk)
    blockCounts = (0..<tree.ranks).map { tree.blocks(of: $0).count }
  }

  package func rowCount(of rank: Int) -> Int { tree.range(of: rank).count * rowWidth }

  // MARK: Blocks

  /// Merges among the blocks of a node's ranks, and the places where the node's own maximal subtrees stand then.
  package func nodeProgram(of node: Int) -> (merges: [ReductionTree.Merge], remaining: [Int]) {
    ReductionTree.partialMerges(of: nodes[node].flatMap(tree.blocks))
  }

  /// Maximal subtrees of a node's leaves.
  func nodeBlocks(of node: Int) -> [ReductionTree.Block] {
    let leaves = nodes[node].map(tree.range)
    guard let first = leaves.first, let last = leaves.last else { return [] }
    return ReductionTree.blocks(in: first.lowerBound..<last.upperBound)
  }

  /// The rest of the tree over the blocks of all nodes; the sum ends in the first.
  var finalMerges: [ReductionTree.Merge] {
    ReductionTree.merges(of: nodes.indices.flatMap(nodeBlocks))
  }

  // MARK: Elements

  /// Chunks of a lane's slice of a bucket.
  private func chunkRange(bucket: Int, of buckets: Int, lane: Int) -> Range<Int> {
    // Bucket 0 holds the last parameters.
    let low = chunks * (buckets - 1 - bucket) / buckets, high = chunks * (buckets - bucket) / buckets
    return low + (high - low) * lane / lanes..<low + (high - low) * (lane + 1) / lanes
  }

  private func elements(_ chunks: Range<Int>) -> Range<Int> {
    min(chunks.lowerBound * ExchangePlan.chunk, count)..<min(chunks.upperBound * ExchangePlan.chunk, count)
  }

  package func range(bucket: Int, of buckets: Int) -> Range<Int> {
    elements(chunks * (buckets - 1 - bucket) / buckets..<chunks * (buckets - bucket) / buckets)
  }

  package func slice(bucket: Int, of buckets: Int, lane: Int) -> Range<Int> {
    lane < lanes ? elements(chunkRange(bucket: bucket, of: buckets, lane: lane)) : count..<count
  }

  /// The part of a slice that a node's rank finishes.
  package func part(of slice: Range<Int>, node: Int) -> Range<Int> {
    func cut(_ i: Int) -> Int {
      let at = slice.count * i / nodes.count
      return i == nodes.count ? slice.count : at / ExchangePlan.line * ExchangePlan.line
    }
    return slice.lowerBound + cut(node)..<slice.lowerBound + cut(node + 1)
  }

  /// The elements that a rank of a node of `neighbours` looks after alone.
  package static func share(of count: Int, neighbour: Int, neighbours: Int) -> Range<Int> {
    let chunks = (count + chunk - 1) / chunk
    func cut(_ i: Int) -> Int { min(count, chunks * i / neighbours * chunk) }
    return cut(neighbour)..<cut(neighbour + 1)
  }

  // MARK: Sums

  /// Runs merges over elements `range`, a chunk at a time. blocks[i] points to element `origin` of block i.
  package static func run(
    _ merges: [ReductionTree.Merge], over range: Range<Int>, blocks: [UnsafeMutablePointer<Float>], origin: Int,
    then: (Range<Int>) -> Void = { _ in }
  ) {
    var at = range.lowerBound
    while at < range.upperBound {
      let n = min(chunk, range.upperBound - at)
      for merge in merges { vd_add(blocks[merge.into] + (at - origin), blocks[merge.from] + (at - origin), n) }
      then(at..<at + n)
      at += n
    }
  }
}
