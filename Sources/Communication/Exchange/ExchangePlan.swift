import Kernels

/// Assigns elements of the gradient to the ranks that sum them. The plan is the same on every rank.
///
/// Elements are divided into buckets (the last parameters first, in the order in which backward finishes them), each
/// bucket into one slice per lane, and the slice of a lane into one part per node. A rank sums its slice over the
/// blocks of its node. Across nodes, the owner of a part completes the reduction tree for that part.
package struct ExchangePlan {
  /// Number of elements summed at a time: two buffers of this size stay in the first-level cache. Slices begin at
  /// multiples of it, so that partial sums of squares do not depend on the number of slices.
  package static let chunk = 4096
  /// Parts end at multiples of this number of elements, a cache line.
  static let line = 16

  let tree: ReductionTree
  let count: Int
  let rowWidth: Int
  let nodes: [Range<Int>]
  let lanes: Int
  package let chunks: Int
  /// Number of blocks of each rank.
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

  /// Number of elements in the rows of a rank's leaves.
  package func rowCount(of rank: Int) -> Int { tree.range(of: rank).count * rowWidth }

  // MARK: Blocks

  /// Returns the merges among the blocks of a node's ranks, and the indices of the blocks that then hold the node's
  /// maximal subtrees.
  package func nodeProgram(of node: Int) -> (merges: [ReductionTree.Merge], remaining: [Int]) {
    ReductionTree.partialMerges(of: nodes[node].flatMap(tree.blocks))
  }

  /// Returns the maximal subtrees of a node's leaves.
  func nodeBlocks(of node: Int) -> [ReductionTree.Block] {
    let leaves = nodes[node].map(tree.range)
    guard let first = leaves.first, let last = leaves.last else { return [] }
    return ReductionTree.blocks(in: first.lowerBound..<last.upperBound)
  }

  /// The remaining merges of the tree over the blocks of all nodes. The sum ends in the first block.
  var finalMerges: [ReductionTree.Merge] {
    ReductionTree.merges(of: nodes.indices.flatMap(nodeBlocks))
  }

  // MARK: Elements

  /// Returns the chunks in a lane's slice of a bucket.
  private func chunkRange(bucket: Int, of buckets: Int, lane: Int) -> Range<Int> {
    // Bucket 0 holds the last parameters.
    let low = chunks * (buckets - 1 - bucket) / buckets, high = chunks * (buckets - bucket) / buckets
    return low + (high - low) * lane / lanes..<low + (high - low) * (lane + 1) / lanes
  }

  private func elements(_ chunks: Range<Int>) -> Range<Int> {
    min(chunks.lowerBound * ExchangePlan.chunk, count)..<min(chunks.upperBound * ExchangePlan.chunk, count)
  }

  /// Returns the elements of a bucket.
  package func range(bucket: Int, of buckets: Int) -> Range<Int> {
    elements(chunks * (buckets - 1 - bucket) / buckets..<chunks * (buckets - bucket) / buckets)
  }

  /// Returns the elements of a lane's slice of a bucket.
  package func slice(bucket: Int, of buckets: Int, lane: Int) -> Range<Int> {
    lane < lanes ? elements(chunkRange(bucket: bucket, of: buckets, lane: lane)) : count..<count
  }

  /// Returns the part of a slice that a node's rank completes.
  package func part(of slice: Range<Int>, node: Int) -> Range<Int> {
    func cut(_ i: Int) -> Int {
      let at = slice.count * i / nodes.count
      return i == nodes.count ? slice.count : at / ExchangePlan.line * ExchangePlan.line
    }
    return slice.lowerBound + cut(node)..<slice.lowerBound + cut(node + 1)
  }

  /// Returns the elements that one of `neighbours` ranks on a node processes alone.
  package static func share(of count: Int, neighbour: Int, neighbours: Int) -> Range<Int> {
    let chunks = (count + chunk - 1) / chunk
    func cut(_ i: Int) -> Int { min(count, chunks * i / neighbours * chunk) }
    return cut(neighbour)..<cut(neighbour + 1)
  }

  // MARK: Sums

  /// Runs merges over the elements of `range`, one chunk at a time. blocks[i] points to element `origin` of block i.
  /// `then` is called after each chunk.
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
