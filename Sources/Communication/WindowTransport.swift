import CMPIShim
import Kernels

/// All ranks on one node: blocks and rows live in a shared window, every rank sums its slice in place over its
/// neighbours' blocks, and the result stands in rank 0's first block. Nothing is copied; three counters per step order
/// the accesses.
final class WindowTransport: ExchangeTransport {
  let name = "window"
  let blocks: [UnsafeMutablePointer<Float>]
  let rows: UnsafeMutablePointer<Double>
  private let communicator: Communicator
  private let plan: ExchangePlan
  private var window: OpaquePointer?
  private let counters: [UnsafeMutablePointer<UInt64>]
  private let answer: UnsafeMutablePointer<SIMD8<Double>>
  private let squares: UnsafeMutablePointer<Double>
  private let allBlocks: [UnsafeMutablePointer<Float>]
  private let allRows: [UnsafeMutablePointer<Double>]
  private let gathered: UnsafeMutablePointer<Double>
  private var stage: UInt64 = 0
  /// Turns of the waiting loop before the core is offered to others: none to spare when ranks outnumber cores.
  private let spins: Int32

  init(_ communicator: Communicator, plan: ExchangePlan) throws(Failure) {
    // A rank's part: counter, answer, rows, squares (rank 0's are used), blocks; each on its own cache lines.
    func line(_ bytes: Int) -> Int { (bytes + 63) & ~63 }
    let answerAt = 64, rowsAt = 128
    func squaresAt(_ rank: Int) -> Int { rowsAt + line(plan.rowCount(of: rank) * 8) }
    func blocksAt(_ rank: Int) -> Int { squaresAt(rank) + line(plan.chunks * 8) }
    let blockBytes = line(plan.count * 4)
    let rank = communicator.rank
    self.communicator = communicator
    self.plan = plan
    var mine: UnsafeMutableRawPointer?
    try Communicator.check(
      vd_mpi_window(
        communicator.node, UInt64(blocksAt(rank) + plan.blockCounts[rank] * blockBytes), &window, &mine),
      "allocating shared memory for gradients")
    var bases = [UnsafeMutableRawPointer]()
    for other in 0..<communicator.size {
      var base: UnsafeMutableRawPointer?
      try Communicator.check(vd_mpi_window_of(window, Int32(other), &base), "finding a neighbour's memory")
      guard let base else { throw Failure(.failure, "MPI gave no address for rank \(other)'s shared memory") }
      bases.append(base)
    }
    counters = bases.map { $0.assumingMemoryBound(to: UInt64.self) }
    answer = (bases[0] + answerAt).assumingMemoryBound(to: SIMD8<Double>.self)
    squares = (bases[0] + squaresAt(0)).assumingMemoryBound(to: Double.self)
    allRows = bases.map { ($0 + rowsAt).assumingMemoryBound(to: Double.self) }
    allBlocks = bases.indices.flatMap { other in
      (0..<plan.blockCounts[other]).map {
        (bases[other] + blocksAt(other) + $0 * blockBytes).assumingMemoryBound(to: Float.self)
      }
    }
    let before = plan.blockCounts[..<rank].reduce(0, +)
    blocks = Array(allBlocks[before..<before + plan.blockCounts[rank]])
    rows = allRows[rank]
    gathered = Buffer.allocate(Double.self, count: plan.tree.leaves * plan.rowWidth)
    spins = communicator.nodeSize <= Launcher.usableCores ? 20_000 : 0
  }

  deinit { gathered.deallocate() }

  private func publish() {
    stage += 1
    vd_counter_publish(counters[communicator.rank], stage)
  }

  private func awaitAll() {
    for counter in counters { vd_counter_wait(counter, stage, spins) }
  }

  func awaitRelease() { awaitAll() }

  func gatherRows() throws(Failure) -> UnsafePointer<Double> {
    publish()
    awaitAll()
    var at = gathered
    for rank in 0..<communicator.size {
      let n = plan.rowCount(of: rank)
      at.update(from: allRows[rank], count: n)
      at += n
    }
    return UnsafePointer(gathered)
  }

  func reduce(
    _ sums: UnsafePointer<Double>, _ decide: (UnsafePointer<Double>) -> SIMD8<Double>
  ) throws(Failure) -> (gradient: UnsafeMutablePointer<Float>, squares: Double, words: SIMD8<Double>) {
    if communicator.isRoot { answer.pointee = decide(sums) }
    plan.finish(plan.slice(of: communicator.rank), blocks: allBlocks, origin: 0, squares: squares)
    publish()
    awaitAll()
    var total = 0.0
    for i in 0..<plan.chunks { total += squares[i] }
    return (allBlocks[0], total, answer.pointee)
  }

  func release() { publish() }

  func close() {
    guard let window else { return }
    vd_mpi_window_free(window)
    self.window = nil
  }
}
