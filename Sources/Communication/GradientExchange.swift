import CMPIShim
import Kernels

/// What every rank knows after an exchange: the summed gradient, and the sums that travelled with it.
package struct Exchanged {
  /// Sum of the gradients of all leaves, laid out as the parameters are; valid until `release`.
  package let gradient: UnsafeMutablePointer<Float>
  /// Sum of the squares of its elements.
  package let squares: Double
  /// One row of float64 values per leaf, in leaf order. (leaves, rowWidth)
  package let rows: UnsafePointer<Double>
  /// Sum of the rows, in tree order. (rowWidth)
  package let sums: UnsafePointer<Double>
  /// What the root answered.
  package let answer: SIMD8<Double>
}

/// How slices of the gradient reach the rank that sums them, and how the sums come back.
package enum ExchangeRoute: String, CaseIterable, Sendable {
  /// The window where all ranks share memory, messages elsewhere.
  case auto
  /// A shared window: gradients are summed in place, nothing is copied.
  case window
  /// Messages between any ranks.
  case messages
}

/// Sums the gradients and the loss rows of all leaves in the fixed tree, by slices: every rank finishes the tree for
/// its slice of the parameters. The result does not depend on the number of ranks or the route.
package final class GradientExchange {
  /// Elements summed at a time: two buffers of it stay in the first-level cache; slices end at its multiples, so that
  /// partial sums of squares do not depend on how many slices there are.
  package static let chunk = 4096

  package let leaves: [ReductionTree.Leaf]
  package let tree: ReductionTree
  package let count: Int
  package let rowWidth: Int
  /// Buffers for local sums: the blocks first, then temporaries. Each of `count` floats.
  package let buffers: [UnsafeMutablePointer<Float>]
  private let firstLeaf: Int
  private let rowSums: UnsafeMutablePointer<Double>
  private let rowScratch: UnsafeMutablePointer<Double>
  private let leafMerges: [ReductionTree.Merge]
  private let temporaries: [UnsafeMutablePointer<Float>]
  private let transport: any ExchangeTransport
  private let clock: PhaseClock

  package init(
    _ communicator: Communicator, tree: ReductionTree, count: Int, rowWidth: Int, route: ExchangeRoute,
    clock: PhaseClock = PhaseClock()
  ) throws(Failure) {
    precondition(tree.ranks == communicator.size, "tree for \(tree.ranks) ranks on \(communicator.size)")
    self.tree = tree
    self.count = count
    self.rowWidth = rowWidth
    self.clock = clock
    let (program, blocks, total) = tree.localProgram(of: communicator.rank)
    leaves = program
    firstLeaf = tree.range(of: communicator.rank).lowerBound
    if route == .window && !communicator.isOneNode {
      var failure = Failure(
        .badConfiguration, "train.exchange is window, but the ranks do not share one node's memory",
        hint: "use auto or messages")
      failure.isCollective = true
      throw failure
    }
    let plan = ExchangePlan(tree: tree, count: count, rowWidth: rowWidth)
    transport =
      route != .messages && communicator.isOneNode
      ? try WindowTransport(communicator, plan: plan) : try MessageTransport(communicator, plan: plan)
    temporaries = (blocks.count..<max(total, blocks.count)).map { _ in Buffer.allocate(Float.self, count: count) }
    buffers = transport.blocks + temporaries
    rowSums = Buffer.allocate(Double.self, count: rowWidth)
    rowScratch = Buffer.allocate(Double.self, count: tree.leaves * rowWidth)
    leafMerges = tree.leafMerges
  }

  deinit {
    for temporary in temporaries { temporary.deallocate() }
    rowSums.deallocate()
    rowScratch.deallocate()
  }

  package var routeName: String { transport.name }

  /// Where a leaf of this rank writes its row. (rowWidth)
  package func row(of leaf: Int) -> UnsafeMutablePointer<Double> {
    transport.rows + (leaf - firstLeaf) * rowWidth
  }

  /// Local part of the tree, after a leaf's gradient stands in its buffer.
  package func merge(after leaf: ReductionTree.Leaf) {
    clock.enter(.merge)
    for merge in leaf.merges { vd_add(buffers[merge.into], buffers[merge.from], count) }
  }

  /// Waits until the buffers of the last exchange have been read by all; call before the first gradient of a step.
  package func awaitBuffers() { transport.awaitRelease() }

  /// Sums over all ranks. `decide` runs on the root alone, on the summed rows; every rank gets its answer.
  package func sum(_ decide: (UnsafePointer<Double>) -> SIMD8<Double>) throws(Failure) -> Exchanged {
    clock.enter(.wait)
    let rows = try transport.gatherRows()
    clock.enter(.reduce)
    sumRows(rows)
    let answer = try transport.reduce(rowSums, decide)
    return Exchanged(
      gradient: answer.gradient, squares: answer.squares, rows: rows, sums: UnsafePointer(rowSums), answer: answer.words
    )
  }

  /// Tells all that this rank has read the gradient.
  package func release() { transport.release() }

  /// Gives shared memory back; collective.
  package func close() { transport.close() }

  private func sumRows(_ rows: UnsafePointer<Double>) {
    rowScratch.update(from: rows, count: tree.leaves * rowWidth)
    for merge in leafMerges {
      let into = rowScratch + merge.into * rowWidth, from = rowScratch + merge.from * rowWidth
      for i in 0..<rowWidth { into[i] += from[i] }
    }
    rowSums.update(from: rowScratch, count: rowWidth)
  }
}

/// Who sums what: the same on every rank.
package struct ExchangePlan {
  let tree: ReductionTree
  let count: Int
  let rowWidth: Int
  package let chunks: Int
  /// Blocks of each rank, and the merges over all of them in leaf order.
  package let blockCounts: [Int]
  let merges: [ReductionTree.Merge]

  package init(tree: ReductionTree, count: Int, rowWidth: Int) {
    self.tree = tree
    self.count = count
    self.rowWidth = rowWidth
    chunks = max(1, (count + GradientExchange.chunk - 1) / GradientExchange.chunk)
    let blocks = (0..<tree.ranks).map(tree.blocks)
    blockCounts = blocks.map(\.count)
    merges = ReductionTree.merges(of: blocks.flatMap { $0 })
  }

  package func chunkRange(of rank: Int) -> Range<Int> { chunks * rank / tree.ranks..<chunks * (rank + 1) / tree.ranks }

  /// Elements of the slice that a rank sums.
  package func slice(of rank: Int) -> Range<Int> {
    let range = chunkRange(of: rank)
    return min(range.lowerBound * GradientExchange.chunk, count)..<min(range.upperBound * GradientExchange.chunk, count)
  }

  package func rowCount(of rank: Int) -> Int { tree.range(of: rank).count * rowWidth }

  /// Finishes the tree over elements `slice`, chunk by chunk, and leaves each chunk's sum of squares. blocks[i] points
  /// to element `origin` of block i.
  package func finish(
    _ slice: Range<Int>, blocks: [UnsafeMutablePointer<Float>], origin: Int, squares: UnsafeMutablePointer<Double>
  ) {
    var at = slice.lowerBound
    while at < slice.upperBound {
      let n = min(GradientExchange.chunk, slice.upperBound - at)
      for merge in merges { vd_add(blocks[merge.into] + (at - origin), blocks[merge.from] + (at - origin), n) }
      squares[at / GradientExchange.chunk] = vd_sum_of_squares(blocks[0] + (at - origin), n)
      at += n
    }
  }
}

/// One way to move rows, slices and the root's answer.
protocol ExchangeTransport: AnyObject {
  var name: String { get }
  /// This rank's blocks.
  var blocks: [UnsafeMutablePointer<Float>] { get }
  /// This rank's rows.
  var rows: UnsafeMutablePointer<Double> { get }
  func awaitRelease()
  /// All rows, in leaf order, once every rank has finished its leaves.
  func gatherRows() throws(Failure) -> UnsafePointer<Double>
  func reduce(
    _ sums: UnsafePointer<Double>, _ decide: (UnsafePointer<Double>) -> SIMD8<Double>
  ) throws(Failure) -> (gradient: UnsafeMutablePointer<Float>, squares: Double, words: SIMD8<Double>)
  func release()
  func close()
}
