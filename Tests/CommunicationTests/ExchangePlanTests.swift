import Kernels
import Testing

@testable import Communication

@Suite struct ExchangePlanTests {
  private static let sizes = [1, 4_095, 4_096, 4_097, 30_011, 101_770]
  /// The number of ranks on each node.
  private static let layouts = [
    [1], [2], [5], [1, 1], [2, 2], [3, 1], [1, 2], [2, 2, 1], [4, 4, 4], [1, 1, 1, 1, 1],
  ]

  private static func plan(_ sizes: [Int], leaves: Int, count: Int) -> ExchangePlan {
    var nodes = [Range<Int>](), at = 0
    for size in sizes {
      nodes.append(at..<at + size)
      at += size
    }
    return ExchangePlan(tree: ReductionTree(leaves: leaves, ranks: at), count: count, rowWidth: 6, nodes: nodes)
  }

  @Test("Buckets, slices and parts cover every element exactly once", arguments: sizes, layouts)
  func cover(count: Int, sizes: [Int]) {
    let plan = Self.plan(sizes, leaves: 16, count: count)
    for buckets in [1, 2, 4, 7] {
      var owners = [Int](repeating: 0, count: count)
      var end = count
      for bucket in 0..<buckets {
        let range = plan.range(bucket: bucket, of: buckets)
        #expect(
          range.upperBound == end || range.isEmpty, "the last parameters come first, and nothing between is left out")
        end = range.lowerBound
        var covered = 0
        for lane in 0..<plan.lanes {
          let slice = plan.slice(bucket: bucket, of: buckets, lane: lane)
          #expect(slice.isEmpty || (range.contains(slice.lowerBound) && slice.upperBound <= range.upperBound))
          #expect(slice.isEmpty || slice.lowerBound % ExchangePlan.chunk == 0)
          covered += slice.count
          for node in sizes.indices {
            for element in plan.part(of: slice, node: node) { owners[element] += 1 }
          }
        }
        #expect(covered == range.count)
        #expect(plan.slice(bucket: bucket, of: buckets, lane: plan.lanes).isEmpty, "ranks beyond the lanes have none")
      }
      #expect(end == 0 && owners.allSatisfy { $0 == 1 }, "\(buckets) buckets")
    }
  }

  @Test(
    "The shares of the ranks of a node cover every element exactly once, in whole chunks", arguments: sizes,
    [1, 2, 3, 8, 40])
  func shares(count: Int, neighbours: Int) {
    var at = 0
    for neighbour in 0..<neighbours {
      let share = ExchangePlan.share(of: count, neighbour: neighbour, neighbours: neighbours)
      #expect(share.lowerBound == at && (share.lowerBound % ExchangePlan.chunk == 0 || share.isEmpty))
      at = share.upperBound
    }
    #expect(at == count)
  }

  @Test("The merges of a node leave its maximal subtrees in order", arguments: [1, 5, 8, 13, 16, 31], layouts)
  func nodePrograms(leaves: Int, sizes: [Int]) {
    let plan = Self.plan(sizes, leaves: leaves, count: 10)
    for node in sizes.indices {
      let blocks = plan.nodes[node].flatMap(plan.tree.blocks)
      let program = plan.nodeProgram(of: node)
      var sums = blocks.map { Array($0.start..<$0.start + $0.size) }
      for merge in program.merges { sums[merge.into] += sums[merge.from] }
      #expect(
        program.remaining.map { sums[$0] } == plan.nodeBlocks(of: node).map { Array($0.start..<$0.start + $0.size) })
    }
  }

  /// The sum that all nodes form, as text with brackets.
  private func expression(_ plan: ExchangePlan) -> String {
    var parts = [String]()
    for node in plan.nodes.indices {
      var values = plan.nodes[node].flatMap(plan.tree.blocks).map { block -> String in
        func perfect(_ start: Int, _ size: Int) -> String {
          size == 1 ? "\(start)" : "(\(perfect(start, size / 2))+\(perfect(start + size / 2, size / 2)))"
        }
        return perfect(block.start, block.size)
      }
      let program = plan.nodeProgram(of: node)
      for merge in program.merges { values[merge.into] = "(\(values[merge.into])+\(values[merge.from]))" }
      parts += program.remaining.map { values[$0] }
    }
    for merge in plan.finalMerges { parts[merge.into] = "(\(parts[merge.into])+\(parts[merge.from]))" }
    return parts[0]
  }

  @Test("The sum is bracketed in the same way however ranks and nodes share it", arguments: [1, 2, 5, 8, 13, 16, 31])
  func sameTree(leaves: Int) {
    let alone = expression(Self.plan([1], leaves: leaves, count: 10))
    for sizes in Self.layouts + [[7, 1, 3], [1, 16], [40]] {
      #expect(expression(Self.plan(sizes, leaves: leaves, count: 10)) == alone, "\(sizes)")
    }
  }

  @Test("Merges over a range equal those over vectors, and squares are summed over whole chunks")
  func run() {
    let count = 3 * ExchangePlan.chunk + 17
    let buffers = (0..<3).map { _ in Buffer.allocate(Float.self, count: count) }
    defer { for buffer in buffers { buffer.deallocate() } }
    for (leaf, buffer) in buffers.enumerated() {
      for i in 0..<count { buffer[i] = Float((i * 7 + leaf * 13) % 101) / 3 }
    }
    let first = buffers.map { Array(UnsafeBufferPointer(start: $0, count: count)) }
    let range = 5..<count - 3
    let merges = [ReductionTree.Merge(into: 1, from: 2), ReductionTree.Merge(into: 0, from: 1)]
    var seen = [Range<Int>]()
    ExchangePlan.run(merges, over: range, blocks: buffers.map { $0 + 5 }, origin: 5) { seen.append($0) }
    for i in 0..<count {
      #expect(buffers[0][i] == (range.contains(i) ? first[0][i] + (first[1][i] + first[2][i]) : first[0][i]))
    }
    #expect(seen.first?.lowerBound == 5 && seen.last?.upperBound == count - 3 && seen.count == 4)
  }
}
