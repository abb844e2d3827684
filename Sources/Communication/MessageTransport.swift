import Kernels

/// Ranks anywhere: each rank receives its slice of every block, finishes the tree for it, and the slices are gathered.
final class MessageTransport: ExchangeTransport {
  let name = "messages"
  let blocks: [UnsafeMutablePointer<Float>]
  let rows: UnsafeMutablePointer<Double>
  private let communicator: Communicator
  private let plan: ExchangePlan
  private let allRows: UnsafeMutablePointer<Double>
  private let squares: UnsafeMutablePointer<Double>
  private let gradient: UnsafeMutablePointer<Float>
  /// My slice of every block of every rank, block by block.
  private let received: UnsafeMutablePointer<Float>
  private let receivedBlocks: [UnsafeMutablePointer<Float>]
  private let slice: Range<Int>
  private var answer = SIMD8<Double>()

  // Counts and offsets in bytes, made once.
  private struct Round {
    var outCounts, outOffsets, inCounts, inOffsets: [UInt64]
  }
  private let rounds: [Round]
  private let rowBytes, rowOffsets, sliceBytes, sliceOffsets, squareBytes, squareOffsets: [UInt64]

  init(_ communicator: Communicator, plan: ExchangePlan) throws(Failure) {
    self.communicator = communicator
    self.plan = plan
    let rank = communicator.rank, ranks = 0..<communicator.size
    let slice = plan.slice(of: rank)
    self.slice = slice
    blocks = (0..<plan.blockCounts[rank]).map { _ in Buffer.allocate(Float.self, count: plan.count) }
    rows = Buffer.allocate(Double.self, count: plan.rowCount(of: rank))
    allRows = Buffer.allocate(Double.self, count: plan.tree.leaves * plan.rowWidth)
    squares = Buffer.allocate(Double.self, count: plan.chunks)
    gradient = Buffer.allocate(Float.self, count: plan.count)
    let blockTotal = plan.blockCounts.reduce(0, +)
    let received = Buffer.allocate(Float.self, count: blockTotal * slice.count)
    self.received = received
    receivedBlocks = (0..<blockTotal).map { received + $0 * slice.count }
    func prefix(_ counts: [UInt64]) -> [UInt64] {
      counts.indices.map { counts[..<$0].reduce(0, +) }
    }
    let firstBlock = prefix(plan.blockCounts.map(UInt64.init))
    rounds = (0..<(plan.blockCounts.max() ?? 0)).map { k in
      Round(
        outCounts: ranks.map { k < plan.blockCounts[rank] ? UInt64(plan.slice(of: $0).count * 4) : 0 },
        outOffsets: ranks.map { UInt64(plan.slice(of: $0).lowerBound * 4) },
        inCounts: ranks.map { k < plan.blockCounts[$0] ? UInt64(slice.count * 4) : 0 },
        inOffsets: ranks.map { (firstBlock[$0] + UInt64(k)) * UInt64(slice.count * 4) })
    }
    rowBytes = ranks.map { UInt64(plan.rowCount(of: $0) * 8) }
    rowOffsets = prefix(rowBytes)
    sliceBytes = ranks.map { UInt64(plan.slice(of: $0).count * 4) }
    sliceOffsets = prefix(sliceBytes)
    squareBytes = ranks.map { UInt64(plan.chunkRange(of: $0).count * 8) }
    squareOffsets = prefix(squareBytes)
  }

  deinit {
    for block in blocks { block.deallocate() }
    rows.deallocate()
    allRows.deallocate()
    squares.deallocate()
    gradient.deallocate()
    received.deallocate()
  }

  func awaitRelease() {}
  func release() {}
  func close() {}

  func gatherRows() throws(Failure) -> UnsafePointer<Double> {
    try communicator.gather(bytes: rows, into: allRows, counts: rowBytes, offsets: rowOffsets)
    return UnsafePointer(allRows)
  }

  func reduce(
    _ sums: UnsafePointer<Double>, _ decide: (UnsafePointer<Double>) -> SIMD8<Double>
  ) throws(Failure) -> (gradient: UnsafeMutablePointer<Float>, squares: Double, words: SIMD8<Double>) {
    if communicator.isRoot { answer = decide(sums) }
    for (k, round) in rounds.enumerated() {
      let block = k < blocks.count ? blocks[k] : gradient  // nothing is sent from the latter
      try communicator.exchange(
        block, round.outCounts, round.outOffsets, into: received, round.inCounts, round.inOffsets)
    }
    plan.finish(slice, blocks: receivedBlocks, origin: slice.lowerBound, squares: squares)
    try communicator.gather(bytes: receivedBlocks[0], into: gradient, counts: sliceBytes, offsets: sliceOffsets)
    let mine = plan.chunkRange(of: communicator.rank).lowerBound
    // The send and receive buffers of a gather must not overlap: my part goes through the (no longer needed) rows.
    try gatherSquares(from: mine)
    try withUnsafeMutableBytes(of: &answer) { bytes throws(Failure) in try communicator.broadcast(bytes) }
    var total = 0.0
    for i in 0..<plan.chunks { total += squares[i] }
    return (gradient, total, answer)
  }

  private lazy var squareScratch = [Double](repeating: 0, count: plan.chunks)
  private func gatherSquares(from first: Int) throws(Failure) {
    for i in 0..<plan.chunkRange(of: communicator.rank).count { squareScratch[i] = squares[first + i] }
    try communicator.gather(bytes: squareScratch, into: squares, counts: squareBytes, offsets: squareOffsets)
  }
}
