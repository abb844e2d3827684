import CMPIShim
import Kernels

/// Sums the gradients and the loss rows of all leaves in the fixed reduction tree.
///
/// Within a node the gradients are in shared memory, and each rank sums its slice in place. Between nodes the ranks of
/// a lane exchange their slices. In float32 the result does not depend on the number of ranks, nodes or buckets.
package final class GradientExchange {
  package let leaves: [ReductionTree.Leaf]
  package let tree: ReductionTree
  package let count: Int
  /// Number of leading elements whose squares are summed. The elements after them are not gradients.
  private let normed: Int
  package let rowWidth: Int
  /// Buffers of `count` floats for local sums: first the blocks, then temporaries.
  package let buffers: [UnsafeMutablePointer<Float>]
  /// Number of buckets of the gradient, each of which is sent between nodes as soon as backward has finished it. With 1
  /// bucket, sending starts after backward.
  package private(set) var buckets = 1
  package let topology: Topology

  private let communicator: Communicator
  private let ownsTopology: Bool
  private let plan: ExchangePlan
  private let clock: PhaseClock
  private let memory: NodeMemory
  private let layout: NodeLayout
  /// Merges over the blocks of all ranks, used within shared memory.
  private let merges: [ReductionTree.Merge]
  private let leafMerges: [ReductionTree.Merge]
  private let temporaries: [UnsafeMutablePointer<Float>]
  private let rowScratch: UnsafeMutablePointer<Double>
  private let sums: UnsafeMutablePointer<Double>
  private var laneBuckets: [LaneBucket] = []
  private var control: ControlExchange?
  /// Whether ranks busy-wait, which they do where every thread of the ranks on these cores has a core of its own.
  package var isSpinning: Bool { spins > 0 }
  /// Number of iterations of the waiting loop before it yields the core.
  private let spins: Int32
  private var stage: UInt64 = 0
  /// Number of buckets that this rank has finished since the beginning (`ready`) and in this step (`published`).
  private var ready: UInt64 = 0
  private var published = 0
  private var failure: Failure?

  /// Creates the exchange. Collective.
  ///
  /// - normed: number of leading elements that belong to the gradient's norm; nil means all.
  /// - buckets: number of buckets; 0 chooses it by measurement.
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

  /// A description of how the gradient is exchanged.
  package var routeName: String {
    guard !topology.isOneNode else { return communicator.size == 1 ? "alone" : "shared memory" }
    let nodes =
      topology.nodes.count == communicator.size ? "messages" : "shared memory on \(topology.nodes.count) nodes"
    return buckets > 1 ? "\(nodes), \(buckets) buckets" : nodes
  }

  /// Returns the place where a leaf of this rank writes its row, (rowWidth).
  package func row(of leaf: Int) -> UnsafeMutablePointer<Double> {
    layout.rows[topology.nodeRank] + (leaf - tree.range(of: communicator.rank).lowerBound) * rowWidth
  }

  // MARK: The calls of a step, in order

  /// Waits until all ranks have read the buffers of the last exchange. Call it before the first gradient of a step.
  package func awaitBuffers() {
    clock.enter(.wait)
    awaitStage()
    published = 0
    for bucket in laneBuckets where failure == nil {
      do { try bucket.begin() } catch { failure = error }
    }
    control?.begin()
  }

  /// Sends the complete buckets while the backward pass of the last leaf is running. The gradients of all elements from
  /// `offset` on are final.
  package func advance(_ leaf: ReductionTree.Leaf, readyFrom offset: Int) {
    guard buckets > 1, failure == nil, leaf.index == leaves.last?.index else { return }
    while published < buckets, plan.range(bucket: published, of: buckets).lowerBound >= offset { publish(leaf) }
    do { _ = try advanceLanes() } catch { failure = error }
  }

  /// Runs the local merges that follow a leaf once its gradient is in its buffer.
  package func merge(after leaf: ReductionTree.Leaf) {
    clock.enter(.merge)
    guard leaf.index == leaves.last?.index else { return merge(leaf, 0..<count) }
    while published < buckets { publish(leaf) }
  }

  /// Sums over all ranks. `decide` is called with the summed rows on the root only, and every rank receives its answer.
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

  /// Announces that this rank has read the gradient and has written its share of what the node shares.
  package func release() { publishStage() }

  /// Waits until all ranks of the node have called `release`. It is called between steps and does not enter a new
  /// phase.
  package func awaitRelease() { awaitStage() }

  /// Frees the shared memory. Collective; call it between steps.
  package func close() {
    clock.watch(nil)
    for bucket in laneBuckets { bucket.close() }
    control?.close()
    laneBuckets = []
    control = nil
    memory.close()
    if ownsTopology { topology.close() }
  }

  // MARK: Within a node

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
    // When the first rank of a node has the rows of all leaves, every rank has finished its leaves. It tells the
    // others.
    let meeting = layout.counters[0] + 2, thisMeeting = stage + 1
    while !(isDone && isControlled) {
      // The rows and the answer come first, because they are small and others wait for them.
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

  /// Sums the squares of one chunk of the gradient.
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

  /// Whether all ranks of the node have finished `count` buckets of this step.
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

  /// Chooses the number of buckets by timing a whole exchange, because overlap pays only on a slow network.
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
    // Other nodes may still wait for messages of this rank, and MPI makes progress only within its calls.
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

  /// On the root: sums the rows in the scratch memory in tree order and computes the answer.
  private func judge(_ decide: (UnsafePointer<Double>) -> SIMD8<Double>) {
    for merge in leafMerges {
      let into = rowScratch + merge.into * rowWidth, from = rowScratch + merge.from * rowWidth
      for i in 0..<rowWidth { into[i] += from[i] }
    }
    layout.sums.update(from: rowScratch, count: rowWidth)
    layout.answer.pointee = decide(UnsafePointer(layout.sums))
  }
}

/// The layout of a node's shared memory.
///
/// The part of a rank holds its counters (finished buckets, stage, meeting), the root's answer, sums of rows, sums of
/// squares, rows and blocks, each on cache lines of its own. Meeting, answer and sums are used only in the part of the
/// first rank.
struct NodeLayout {
  let counters: [UnsafeMutablePointer<UInt64>]
  let answer: UnsafeMutablePointer<SIMD8<Double>>
  let sums: UnsafeMutablePointer<Double>
  /// The answer followed by the sums: what the root sends to the other nodes.
  let verdict: UnsafeMutablePointer<Double>
  let squares: UnsafeMutablePointer<Double>
  let rows: [UnsafeMutablePointer<Double>]
  /// The blocks of each rank of the node.
  let blocks: [[UnsafeMutablePointer<Float>]]
  let allBlocks: [UnsafeMutablePointer<Float>]
  /// The place of the total sum: the first block of the node.
  let gradient: UnsafeMutablePointer<Float>

  private static func line(_ bytes: Int) -> Int { (bytes + 63) & ~63 }
  private static let answerAt = 64, sumsAt = 128
  private static func squaresAt(_ plan: ExchangePlan) -> Int { sumsAt + line(plan.rowWidth * 8) }
  private static func rowsAt(_ plan: ExchangePlan) -> Int { squaresAt(plan) + line(plan.chunks * 8) }
  private static func blocksAt(_ plan: ExchangePlan, _ rank: Int) -> Int {
    rowsAt(plan) + line(plan.rowCount(of: rank) * 8)
  }
  private static func blockBytes(_ plan: ExchangePlan) -> Int { line(plan.count * 4) }
  /// Number of bytes of a rank's part. A rank without leaves has one block for the sum.
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
