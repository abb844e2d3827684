import CMPIShim
import Kernels

/// What every rank knows after an exchange: the summed gradient, and the sums that travelled with it.
package struct Exchanged {
  /// Sum of the gradients of all leaves, laid out as the parameters are; valid until `release`.
  package let gradient: UnsafeMutablePointer<Float>
  /// Sum of the squares of its elements, those of the norm.
  package let squares: Double
  /// Sum of the rows, in tree order; valid until the next exchange. (rowWidth)
  package let sums: UnsafePointer<Double>
  /// What the root answered.
  package let answer: SIMD8<Double>
}

/// How the ranks of a node reach each other.
package enum ExchangeRoute: String, CaseIterable, Sendable {
  /// Shared memory on a node, messages between nodes.
  case auto
  /// Shared memory alone: all ranks on one node.
  case window
  /// Messages alone, even on one node.
  case messages
}

/// Sums the gradients and the loss rows of all leaves in the fixed tree. On a node they lie in shared memory and every
/// rank sums its slice in place; between nodes the ranks of a lane exchange their slices. The result does not depend on
/// the number of ranks, nodes or buckets.
package final class GradientExchange {
  package let leaves: [ReductionTree.Leaf]
  package let tree: ReductionTree
  package let count: Int
  /// Elements whose squares are summed, the first; what lies behind them is no gradient.
  private let normed: Int
  package let rowWidth: Int
  /// Buffers for local sums: the blocks first, then temporaries. Each of `count` floats.
  package let buffers: [UnsafeMutablePointer<Float>]
  /// Pieces of the gradient that start on their way between nodes as backward finishes them; 1: after backward.
  package private(set) var buckets = 1
  package let topology: Topology

  private let communicator: Communicator
  private let ownsTopology: Bool
  private let plan: ExchangePlan
  private let clock: PhaseClock
  private let memory: NodeMemory
  private let layout: NodeLayout
  /// The tree over the blocks of all ranks, where they share memory.
  private let merges: [ReductionTree.Merge]
  private let leafMerges: [ReductionTree.Merge]
  private let temporaries: [UnsafeMutablePointer<Float>]
  private let rowScratch: UnsafeMutablePointer<Double>
  private let sums: UnsafeMutablePointer<Double>
  private var laneBuckets: [LaneBucket] = []
  private var control: ControlExchange?
  /// Whether ranks wait on their cores: there is one for every thread of those that may run there.
  package var isSpinning: Bool { spins > 0 }
  /// Turns of the waiting loop before the core is offered to others.
  private let spins: Int32
  private var stage: UInt64 = 0
  /// Buckets that this rank has finished, since the beginning and in this step.
  private var ready: UInt64 = 0
  private var published = 0
  private var failure: Failure?

  /// Collective.
  ///
  /// - normed: how many elements, the first, are of the gradient's norm; by default all. - buckets: 0 chooses by a trial.
  package init(
    _ communicator: Communicator, tree: ReductionTree, count: Int, normed: Int? = nil, rowWidth: Int,
    route: ExchangeRoute, buckets: Int = 0, wire: WireFormat = .float32, clock: PhaseClock = PhaseClock()
  ) throws(Failure) {
    precondition(tree.ranks == communicator.size, "tree for \(tree.ranks) ranks on \(communicator.size)")
    if route == .window, !communicator.topology.isOneNode {
      var failure = Failure(
        .badConfiguration, "train.exchange is window, but the ranks do not share one node's memory",
        hint: "use auto or messages")
      failure.isCollective = true
      throw failure
    }
    self.communicator = communicator
    self.tree = tree
    self.count = count
    self.normed = normed ?? count
    self.rowWidth = rowWidth
    self.clock = clock
    ownsTopology = route == .messages && communicator.size > 1
    let topology = ownsTopology ? try Topology.separate(communicator) : communicator.topology
    self.topology = topology
    let plan = ExchangePlan(tree: tree, count: count, rowWidth: rowWidth, nodes: topology.nodes)
    self.plan = plan
    memory = try NodeMemory(topology, bytes: NodeLayout.bytes(plan, rank: communicator.rank))
    layout = NodeLayout(plan, topology, parts: memory.parts)
    let (program, blocks, total) = tree.localProgram(of: communicator.rank)
    leaves = program
    temporaries = (blocks.count..<max(total, blocks.count)).map { _ in Buffer.allocate(Float.self, count: count) }
    buffers = layout.blocks[topology.nodeRank] + temporaries
    merges = ReductionTree.merges(of: (0..<tree.ranks).flatMap(tree.blocks))
    leafMerges = tree.leafMerges
    rowScratch = Buffer.allocate(Double.self, count: tree.leaves * rowWidth)
    sums = Buffer.allocate(Double.self, count: rowWidth)
    clock.watch(Stragglers(counters: layout.counters, first: topology.neighbours.lowerBound))
    spins = try communicator.hasCoresForAll(threads: Products.threads) ? 20_000 : 0
    guard !topology.isOneNode else { return }
    if topology.nodeRank == 0, let lane = topology.lane {
      let rows = topology.neighbours.indices.map {
        (from: layout.rows[$0 - topology.neighbours.lowerBound], count: plan.rowCount(of: $0))
      }
      control = try ControlExchange(
        plan, topology, lane: lane, rowBuffers: rows, verdict: layout.verdict, width: 8 + rowWidth)
    }
    try divide(into: max(buckets, 1), wire)
    if buckets == 0 { try chooseBuckets(wire) }
  }

  deinit {
    for temporary in temporaries { temporary.deallocate() }
    rowScratch.deallocate()
    sums.deallocate()
  }

  /// What carries the gradient, in words.
  package var routeName: String {
    guard !topology.isOneNode else { return communicator.size == 1 ? "alone" : "shared memory" }
    let nodes =
      topology.nodes.count == communicator.size ? "messages" : "shared memory on \(topology.nodes.count) nodes"
    return buckets > 1 ? "\(nodes), \(buckets) buckets" : nodes
  }

  /// Where a leaf of this rank writes its row. (rowWidth)
  package func row(of leaf: Int) -> UnsafeMutablePointer<Double> {
    layout.rows[topology.nodeRank] + (leaf - tree.range(of: communicator.rank).lowerBound) * rowWidth
  }

  // MARK: A step, in order

  /// Waits until the buffers of the last exchange have been read by all; call before the first gradient of a step.
  package func awaitBuffers() {
    clock.enter(.wait)
    awaitStage()
    published = 0
    for bucket in laneBuckets where failure == nil {
      do { try bucket.begin() } catch { failure = error }
    }
    control?.begin()
  }

  /// While the last leaf's backward runs: gradients of all elements from `offset` on are final. Sends what is complete.
  package func advance(_ leaf: ReductionTree.Leaf, readyFrom offset: Int) {
    guard buckets > 1, failure == nil, leaf.index == leaves.last?.index else { return }
    while published < buckets, plan.range(bucket: published, of: buckets).lowerBound >= offset { publish(leaf) }
    do { _ = try advanceLanes() } catch { failure = error }
  }

  /// Local part of the tree, after a leaf's gradient stands in its buffer.
  package func merge(after leaf: ReductionTree.Leaf) {
    clock.enter(.merge)
    guard leaf.index == leaves.last?.index else { return merge(leaf, 0..<count) }
    while published < buckets { publish(leaf) }
  }

  /// Sums over all ranks. `decide` runs on the root alone, on the summed rows; every rank gets its answer.
  package func sum(_ decide: (UnsafePointer<Double>) -> SIMD8<Double>) throws(Failure) -> Exchanged {
    clock.enter(.wait)
    if leaves.isEmpty { markReady(buckets) }
    if let failure { throw failure }
    if topology.isOneNode { sumNode(decide) } else { try sumLanes(decide) }
    publishStage()
    clock.enter(.wait)
    awaitStage()
    if let failure { throw failure }
    var squares = 0.0
    for i in 0..<plan.chunks { squares += layout.squares[i] }
    sums.update(from: layout.sums, count: rowWidth)
    return Exchanged(
      gradient: layout.gradient, squares: squares, sums: UnsafePointer(sums), answer: layout.answer.pointee)
  }

  /// Tells all that this rank has read the gradient and written what it shares.
  package func release() { publishStage() }

  /// Waits until all ranks of the node have released; between steps, so in the phase under way.
  package func awaitRelease() { awaitStage() }

  /// Gives shared memory back, between steps; collective.
  package func close() {
    clock.watch(nil)
    for bucket in laneBuckets { bucket.close() }
    control?.close()
    laneBuckets = []
    control = nil
    memory.close()
    if ownsTopology { topology.close() }
  }

  // MARK: On a node

  private func sumNode(_ decide: (UnsafePointer<Double>) -> SIMD8<Double>) {
    for counter in layout.counters { vd_counter_wait(counter, ready, spins) }
    clock.enter(.reduce)
    if communicator.isRoot {
      var at = rowScratch
      for neighbour in layout.rows.indices {
        let n = plan.rowCount(of: neighbour)
        at.update(from: layout.rows[neighbour], count: n)
        at += n
      }
      judge(decide)
    }
    let slice = plan.slice(bucket: 0, of: 1, lane: topology.nodeRank)
    ExchangePlan.run(merges, over: slice, blocks: layout.allBlocks, origin: 0, then: sumSquares)
  }

  // MARK: Between nodes

  private func sumLanes(_ decide: (UnsafePointer<Double>) -> SIMD8<Double>) throws(Failure) {
    var isDone = false, isControlled = control == nil, haveAllMet = false
    var turns: Int32 = 0
    // The first rank of a node learns from the rows that all ranks have finished their leaves, and tells the others.
    let meeting = layout.counters[0] + 2, thisMeeting = stage + 1
    while !(isDone && isControlled) {
      // The rows first, and the answer: they are small, and tell who waits for whom.
      if let control, !isControlled {
        isControlled = try control.advance(isReady: isNodeReady(buckets))
        if !haveAllMet, control.isAsked || isControlled { vd_counter_publish(meeting, thisMeeting) }
        if control.isAsked {
          rowScratch.update(from: control.rows, count: tree.leaves * rowWidth)
          judge(decide)
          try control.answer()
        }
      }
      if !haveAllMet, vd_counter_read(meeting) >= thisMeeting {
        haveAllMet = true
        clock.enter(.reduce)
      }
      if !isDone { isDone = try advanceLanes() }
      turns += 1
      if turns > spins { vd_yield() }
    }
    if !haveAllMet { clock.enter(.reduce) }
    for bucket in 0..<buckets {
      let slice = plan.slice(bucket: bucket, of: buckets, lane: topology.nodeRank)
      ExchangePlan.run([], over: slice, blocks: [], origin: 0, then: sumSquares)
    }
  }

  /// Of one chunk of the sum.
  private func sumSquares(_ range: Range<Int>) {
    layout.squares[range.lowerBound / ExchangePlan.chunk] = vd_sum_of_squares(
      layout.gradient + range.lowerBound, max(0, min(range.upperBound, normed) - range.lowerBound))
  }

  private func advanceLanes() throws(Failure) -> Bool {
    var isDone = true
    for (index, bucket) in laneBuckets.enumerated() {
      if try !bucket.advance(isReady: isNodeReady(index + 1)) { isDone = false }
    }
    return isDone
  }

  /// Whether all ranks of the node have finished so many buckets of this step.
  private func isNodeReady(_ count: Int) -> Bool {
    let wanted = ready - UInt64(published) + UInt64(count)
    return layout.counters.allSatisfy { vd_counter_read($0) >= wanted }
  }

  private func divide(into count: Int, _ wire: WireFormat) throws(Failure) {
    for bucket in laneBuckets { bucket.close() }
    laneBuckets = []
    buckets = count
    guard topology.lane != nil else { return }
    for bucket in 0..<count {
      laneBuckets.append(
        try LaneBucket(
          plan, topology, bucket: bucket, of: count, wire: wire, nodeBuffers: layout.allBlocks,
          gradient: layout.gradient))
    }
  }

  /// Overlap pays on a slow network only: tries what a whole exchange takes.
  private func chooseBuckets(_ wire: WireFormat) throws(Failure) {
    var shortest = UInt64.max
    for _ in 0..<4 {
      awaitBuffers()
      if let last = leaves.last { merge(after: last) }
      try communicator.barrier()
      let began = PhaseClock.now
      _ = try sum { _ in SIMD8() }
      shortest = min(shortest, PhaseClock.now - began)
      release()
    }
    awaitRelease()
    let milliseconds = Double(try communicator.maximum([Int64(shortest)])[0]) * 1e-6
    let wanted = milliseconds < 2 ? 1 : milliseconds < 8 ? 2 : milliseconds < 30 ? 4 : 8
    if wanted > 1 { try divide(into: min(wanted, plan.chunks), wire) }
    try communicator.barrier()
    clock.enter(.start)
  }

  // MARK: Counters and sums

  private func publish(_ leaf: ReductionTree.Leaf) {
    merge(leaf, plan.range(bucket: published, of: buckets))
    markReady(1)
  }

  private func merge(_ leaf: ReductionTree.Leaf, _ range: Range<Int>) {
    ExchangePlan.run(leaf.merges, over: range, blocks: buffers, origin: 0)
  }

  private func markReady(_ count: Int) {
    published += count
    ready += UInt64(count)
    vd_counter_publish(layout.counters[topology.nodeRank], ready)
  }

  private func publishStage() {
    stage += 1
    vd_counter_publish(layout.counters[topology.nodeRank] + 1, stage)
  }

  private func awaitStage() {
    guard let lane = topology.lane else {
      for counter in layout.counters { vd_counter_wait(counter + 1, stage, spins) }
      return
    }
    // Other nodes may still wait for what MPI has taken from this rank: it moves in MPI's calls alone.
    var turns: Int32 = 0
    for counter in layout.counters {
      while vd_counter_read(counter + 1) < stage {
        if failure == nil {
          do { try Communicator.check(vd_mpi_progress(lane), "sending sums") } catch { failure = error }
        }
        turns += 1
        if turns > spins { vd_yield() }
      }
    }
  }

  /// On the root: sums the rows in the scratch in tree order, and answers them.
  private func judge(_ decide: (UnsafePointer<Double>) -> SIMD8<Double>) {
    for merge in leafMerges {
      let into = rowScratch + merge.into * rowWidth, from = rowScratch + merge.from * rowWidth
      for i in 0..<rowWidth { into[i] += from[i] }
    }
    layout.sums.update(from: rowScratch, count: rowWidth)
    layout.answer.pointee = decide(UnsafePointer(layout.sums))
  }
}

/// What lies where in the memory of a node. A rank's part: counters (finished buckets, stage, meeting), the root's
/// answer, sums of rows, sums of squares, rows, blocks; each on its own cache lines. Meeting, answer and sums of the
/// first rank are used.
struct NodeLayout {
  let counters: [UnsafeMutablePointer<UInt64>]
  let answer: UnsafeMutablePointer<SIMD8<Double>>
  let sums: UnsafeMutablePointer<Double>
  /// Answer and sums together: what the root sends to other nodes.
  let verdict: UnsafeMutablePointer<Double>
  let squares: UnsafeMutablePointer<Double>
  let rows: [UnsafeMutablePointer<Double>]
  /// By rank of the node.
  let blocks: [[UnsafeMutablePointer<Float>]]
  let allBlocks: [UnsafeMutablePointer<Float>]
  /// Where the sum of all ends: the node's first block.
  let gradient: UnsafeMutablePointer<Float>

  private static func line(_ bytes: Int) -> Int { (bytes + 63) & ~63 }
  private static let answerAt = 64, sumsAt = 128
  private static func squaresAt(_ plan: ExchangePlan) -> Int { sumsAt + line(plan.rowWidth * 8) }
  private static func rowsAt(_ plan: ExchangePlan) -> Int { squaresAt(plan) + line(plan.chunks * 8) }
  private static func blocksAt(_ plan: ExchangePlan, _ rank: Int) -> Int {
    rowsAt(plan) + line(plan.rowCount(of: rank) * 8)
  }
  private static func blockBytes(_ plan: ExchangePlan) -> Int { line(plan.count * 4) }
  /// A rank without leaves has a block for the sum all the same.
  static func bytes(_ plan: ExchangePlan, rank: Int) -> Int {
    blocksAt(plan, rank) + max(1, plan.blockCounts[rank]) * blockBytes(plan)
  }

  init(_ plan: ExchangePlan, _ topology: Topology, parts: [UnsafeMutableRawPointer]) {
    counters = parts.map { $0.assumingMemoryBound(to: UInt64.self) }
    answer = (parts[0] + NodeLayout.answerAt).assumingMemoryBound(to: SIMD8<Double>.self)
    sums = (parts[0] + NodeLayout.sumsAt).assumingMemoryBound(to: Double.self)
    verdict = (parts[0] + NodeLayout.answerAt).assumingMemoryBound(to: Double.self)
    squares = (parts[0] + NodeLayout.squaresAt(plan)).assumingMemoryBound(to: Double.self)
    rows = parts.map { ($0 + NodeLayout.rowsAt(plan)).assumingMemoryBound(to: Double.self) }
    func block(_ neighbour: Int, _ index: Int) -> UnsafeMutablePointer<Float> {
      let rank = topology.neighbours.lowerBound + neighbour
      return (parts[neighbour] + NodeLayout.blocksAt(plan, rank) + index * NodeLayout.blockBytes(plan))
        .assumingMemoryBound(to: Float.self)
    }
    let neighbours = topology.neighbours
    blocks = parts.indices.map { neighbour in
      (0..<plan.blockCounts[neighbours.lowerBound + neighbour]).map { block(neighbour, $0) }
    }
    allBlocks = blocks.flatMap { $0 }
    gradient = allBlocks.first ?? block(0, 0)
  }
}
