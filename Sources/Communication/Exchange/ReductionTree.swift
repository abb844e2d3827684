/// The fixed binary tree in which the gradients of `leaves` microbatches are summed, whatever the number of ranks.
///
/// Leaves are pushed in order and equal neighbours are merged, as in a binary counter; the remaining subtrees are
/// folded from the right. Rank r owns a contiguous range of leaves, and the sizes of ranges differ by at most one. A
/// rank sums its maximal aligned subtrees ("blocks") alone. The rest of the tree runs over the blocks of all ranks in
/// leaf order. Together they are the same tree for every number of ranks.
package struct ReductionTree: Sendable {
  package let leaves: Int
  package let ranks: Int

  /// An aligned subtree of leaves start..<start + size, where size is a power of two and start a multiple of size.
  package struct Block: Equatable, Sendable {
    package let start: Int
    package let size: Int
  }

  /// The operation values[into] += values[from].
  package struct Merge: Equatable, Sendable {
    package let into: Int
    package let from: Int
  }

  package init(leaves: Int, ranks: Int) {
    precondition(leaves >= 1 && ranks >= 1, "reduction tree of \(leaves) leaves on \(ranks) ranks")
    self.leaves = leaves
    self.ranks = ranks
  }

  /// Returns the leaves of a rank. Some ranges are empty if there are more ranks than leaves.
  package func range(of rank: Int) -> Range<Int> { leaves * rank / ranks..<leaves * (rank + 1) / ranks }

  /// Returns the rank that holds a leaf.
  package func owner(of leaf: Int) -> Int {
    var rank = leaf * ranks / leaves
    while range(of: rank).upperBound <= leaf { rank += 1 }
    return rank
  }

  /// Returns the maximal aligned subtrees of a rank's range, in leaf order.
  package func blocks(of rank: Int) -> [Block] { ReductionTree.blocks(in: range(of: rank)) }

  /// Returns the maximal aligned subtrees of a range of leaves, in order.
  package static func blocks(in range: Range<Int>) -> [Block] {
    var blocks = [Block](), at = range.lowerBound
    while at < range.upperBound {
      var size = 1
      while at % (2 * size) == 0, at + 2 * size <= range.upperBound { size *= 2 }
      blocks.append(Block(start: at, size: size))
      at += size
    }
    return blocks
  }

  /// Returns the merges that are possible among a list of neighbouring blocks, and the indices of the maximal subtrees
  /// that remain.
  package static func partialMerges(of blocks: [Block]) -> (merges: [Merge], remaining: [Int]) {
    var stack = [(block: Block, index: Int)](), merges = [Merge]()
    for (index, block) in blocks.enumerated() {
      stack.append((block, index))
      while stack.count > 1 {
        let right = stack[stack.count - 1], left = stack[stack.count - 2]
        guard left.block.size == right.block.size, left.block.start % (2 * left.block.size) == 0 else { break }
        merges.append(Merge(into: left.index, from: right.index))
        stack.removeLast(2)
        stack.append((Block(start: left.block.start, size: 2 * left.block.size), left.index))
      }
    }
    return (merges, stack.map(\.index))
  }

  /// Returns the rest of the tree over a list of blocks that covers all leaves in order. The sum ends in values[0].
  package static func merges(of blocks: [Block]) -> [Merge] {
    var (merges, stack) = partialMerges(of: blocks)
    while stack.count > 1 {
      let right = stack.removeLast()
      merges.append(Merge(into: stack[stack.count - 1], from: right))
    }
    return merges
  }

  /// The merges of the whole tree over single leaves.
  package var leafMerges: [Merge] {
    ReductionTree.merges(of: (0..<leaves).map { Block(start: $0, size: 1) })
  }

  /// A leaf in a rank's local work: its gradient is computed into `buffer`, and then `merges` are run between buffers.
  package struct Leaf: Equatable, Sendable {
    package let index: Int
    package let buffer: Int
    package var merges: [Merge]
  }

  /// Returns the order in which a rank sums its leaves. Buffers 0..<blocks.count end as its blocks; those after them
  /// are temporaries.
  package func localProgram(of rank: Int) -> (leaves: [Leaf], blocks: [Block], buffers: Int) {
    let blocks = blocks(of: rank)
    var program = [Leaf](), buffers = blocks.count
    func sum(_ block: Block, into buffer: Int, temporary: Int) {
      guard block.size > 1 else { return program.append(Leaf(index: block.start, buffer: buffer, merges: [])) }
      let half = block.size / 2
      buffers = max(buffers, temporary + 1)
      sum(Block(start: block.start, size: half), into: buffer, temporary: temporary)
      sum(Block(start: block.start + half, size: half), into: temporary, temporary: temporary + 1)
      program[program.count - 1].merges.append(Merge(into: buffer, from: temporary))
    }
    for (i, block) in blocks.enumerated() { sum(block, into: i, temporary: blocks.count) }
    return (program, blocks, buffers)
  }
}
