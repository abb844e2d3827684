/// The fixed binary tree in which `leaves` microbatches are summed, whoever holds them.
///
/// Leaves are pushed in order and equal neighbours merged (a binary counter); what is left at the end is folded from
/// the right. Rank r owns a contiguous range of leaves; ranges differ by at most one. A rank sums its maximal aligned
/// subtrees ("blocks") alone; the rest of the tree runs over the blocks of all ranks in leaf order, and is the same
/// tree for every number of ranks.
package struct ReductionTree: Sendable {
  package let leaves: Int
  package let ranks: Int

  /// An aligned subtree: leaves start..<start + size, size a power of two, start a multiple of it.
  package struct Block: Equatable, Sendable {
    package let start: Int
    package let size: Int
  }

  /// values[into] += values[from].
  package struct Merge: Equatable, Sendable {
    package let into: Int
    package let from: Int
  }

  package init(leaves: Int, ranks: Int) {
    precondition(leaves >= 1 && ranks >= 1, "reduction tree of \(leaves) leaves on \(ranks) ranks")
    self.leaves = leaves
    self.ranks = ranks
  }

  /// Leaves of a rank; empty for some when there are more ranks than leaves.
  package func range(of rank: Int) -> Range<Int> { leaves * rank / ranks..<leaves * (rank + 1) / ranks }

  package func owner(of leaf: Int) -> Int {
    var rank = leaf * ranks / leaves
    while range(of: rank).upperBound <= leaf { rank += 1 }
    return rank
  }

  /// Maximal aligned subtrees of a rank's range, in leaf order.
  package func blocks(of rank: Int) -> [Block] { ReductionTree.blocks(in: range(of: rank)) }

  /// Maximal aligned subtrees of a range of leaves, in order.
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

  /// The merges that a list of neighbouring blocks allows, and the indices of the maximal subtrees they leave.
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

  /// The rest of the tree over a list of blocks that covers the leaves in order; the sum ends in values[0].
  package static func merges(of blocks: [Block]) -> [Merge] {
    var (merges, stack) = partialMerges(of: blocks)
    while stack.count > 1 {
      let right = stack.removeLast()
      merges.append(Merge(into: stack[stack.count - 1], from: right))
    }
    return merges
  }

  /// Merges over single leaves: the whole tree.
  package var leafMerges: [Merge] {
    ReductionTree.merges(of: (0..<leaves).map { Block(start: $0, size: 1) })
  }

  /// One leaf of a rank's local work: compute it into `buffer`, then run `merges` between buffers.
  package struct Leaf: Equatable, Sendable {
    package let index: Int
    package let buffer: Int
    package var merges: [Merge]
  }

  /// How a rank sums its leaves: buffers 0..<blocks.count end as its blocks, those after them are temporaries.
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
