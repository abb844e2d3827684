import Communication
import Kernels
import Testing

/// The expected brackets of the sum of leaves 0..<count: perfect trees of decreasing size, joined from the right.
private func expression(_ count: Int) -> String {
  func perfect(_ start: Int, _ size: Int) -> String {
    size == 1 ? "\(start)" : "(\(perfect(start, size / 2))+\(perfect(start + size / 2, size / 2)))"
  }
  var parts = [String](), start = 0
  for bit in stride(from: Int.bitWidth - 2, through: 0, by: -1) where count & (1 << bit) != 0 {
    parts.append(perfect(start, 1 << bit))
    start += 1 << bit
  }
  var sum = parts.removeLast()
  while let left = parts.popLast() { sum = "(\(left)+\(sum))" }
  return sum
}

/// The sum that all ranks form, as text with brackets.
private func symbolicSum(_ tree: ReductionTree) -> String {
  var values = [String](), blocks = [ReductionTree.Block]()
  for rank in 0..<tree.ranks {
    let program = tree.localProgram(of: rank)
    var buffers = [String](repeating: "?", count: max(program.buffers, program.blocks.count))
    for leaf in program.leaves {
      buffers[leaf.buffer] = "\(leaf.index)"
      for merge in leaf.merges { buffers[merge.into] = "(\(buffers[merge.into])+\(buffers[merge.from]))" }
    }
    values += buffers.prefix(program.blocks.count)
    blocks += program.blocks
  }
  for merge in ReductionTree.merges(of: blocks) { values[merge.into] = "(\(values[merge.into])+\(values[merge.from]))" }
  return values[0]
}

@Suite struct ReductionTreeTests {
  @Test("The sum is bracketed in the same way for every number of ranks", arguments: 1...40)
  func sameTree(leaves: Int) {
    let expected = expression(leaves)
    for ranks in Array(1...leaves) + [leaves + 1, leaves + 7, 3 * leaves] {
      #expect(symbolicSum(ReductionTree(leaves: leaves, ranks: ranks)) == expected, "\(ranks) ranks")
    }
    // The rows of losses are summed in the tree over single leaves.
    var values = (0..<leaves).map { "\($0)" }
    for merge in ReductionTree(leaves: leaves, ranks: 1).leafMerges {
      values[merge.into] = "(\(values[merge.into])+\(values[merge.from]))"
    }
    #expect(values[0] == expected)
  }

  @Test("Ranges of leaves are consecutive, differ in size by at most one, and have the right owner", arguments: 1...40)
  func ranges(leaves: Int) {
    for ranks in 1...(2 * leaves + 3) {
      let tree = ReductionTree(leaves: leaves, ranks: ranks)
      let ranges = (0..<ranks).map(tree.range)
      #expect(ranges.flatMap { Array($0) } == Array(0..<leaves))
      #expect((ranges.map(\.count).max() ?? 0) - (ranges.map(\.count).min() ?? 0) <= 1)
      for leaf in 0..<leaves { #expect(ranges[tree.owner(of: leaf)].contains(leaf)) }
    }
  }

  @Test("Blocks are aligned, cover their range in order, and need few buffers", arguments: 1...40)
  func blocks(leaves: Int) {
    for ranks in 1...leaves {
      let tree = ReductionTree(leaves: leaves, ranks: ranks)
      for rank in 0..<ranks {
        let blocks = tree.blocks(of: rank)
        #expect(blocks.flatMap { Array($0.start..<$0.start + $0.size) } == Array(tree.range(of: rank)))
        #expect(blocks.allSatisfy { $0.size & ($0.size - 1) == 0 && $0.start % $0.size == 0 })
        let program = tree.localProgram(of: rank)
        #expect(program.leaves.map(\.index) == Array(tree.range(of: rank)))
        // A perfect tree of n leaves needs one buffer per level.
        let deepest = blocks.map(\.size.trailingZeroBitCount).max() ?? 0
        #expect(program.buffers <= blocks.count + deepest)
      }
    }
  }
}
