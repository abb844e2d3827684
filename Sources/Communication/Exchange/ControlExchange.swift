import CMPIShim
import Kernels

/// Exchanges the small messages of a step between nodes: the rows of all leaves go to the root, and the root's sums and
/// answer come back. One rank of each node takes part.
final class ControlExchange {
  private enum State { case idle, collecting, deciding, spreading, done }
  private var state = State.done
  private let isRoot: Bool
  private let rowBuffers: [(from: UnsafeMutablePointer<Double>, count: Int)]
  /// On the root: the rows of all leaves. On other ranks: the rows of this node.
  let rows: UnsafeMutablePointer<Double>
  /// Whether the root has received all rows and has yet to send its answer.
  var isAsked: Bool { state == .deciding }
  private var collect: OpaquePointer?
  private var spread: OpaquePointer?

  /// - verdict: the place of the answer and the sums in this node's memory, (width).
  init(
    _ plan: ExchangePlan, _ topology: Topology, lane: OpaquePointer,
    rowBuffers: [(from: UnsafeMutablePointer<Double>, count: Int)], verdict: UnsafeMutablePointer<Double>, width: Int
  ) throws(Failure) {
    isRoot = topology.node == 0
    self.rowBuffers = rowBuffers
    rows = Buffer.allocate(Double.self, count: plan.tree.leaves * plan.rowWidth)
    try Communicator.check(vd_mpi_transfers(&collect, 0), "preparing transfers")
    try Communicator.check(vd_mpi_transfers(&spread, 0), "preparing transfers")
    let bytes = topology.nodes.map { UInt64($0.reduce(0) { $0 + plan.rowCount(of: $1) } * 8) }
    let tag: Int32 = 32_000
    guard isRoot else {
      try Communicator.check(vd_mpi_add_send(collect, lane, rows, bytes[topology.node], 0, tag), "preparing a transfer")
      try Communicator.check(
        vd_mpi_add_receive(spread, lane, verdict, UInt64(width * 8), 0, tag + 1), "preparing a transfer")
      return
    }
    var at = UnsafeMutableRawPointer(rows) + Int(bytes[0])
    for node in topology.nodes.indices.dropFirst() {
      try Communicator.check(
        vd_mpi_add_receive(collect, lane, at, bytes[node], Int32(node), tag), "preparing a transfer")
      try Communicator.check(
        vd_mpi_add_send(spread, lane, verdict, UInt64(width * 8), Int32(node), tag + 1), "preparing a transfer")
      at += Int(bytes[node])
    }
  }

  /// Frees the buffers. Call once, between steps and before MPI ends. After a failure it must not be called: messages
  /// may still arrive in the buffers, which are then never freed.
  func close() {
    if let collect { vd_mpi_free_transfers(collect) }
    if let spread { vd_mpi_free_transfers(spread) }
    rows.deallocate()
  }

  func begin() { state = .idle }

  /// Makes as much progress as is possible without waiting. Returns true when the exchange is complete.
  func advance(isReady: Bool) throws(Failure) -> Bool {
    if state == .idle, isReady {
      var at = rows
      for buffer in rowBuffers {
        at.update(from: buffer.from, count: buffer.count)
        at += buffer.count
      }
      try Communicator.check(vd_mpi_start_transfers(collect), "collecting losses")
      if !isRoot { try Communicator.check(vd_mpi_start_transfers(spread), "awaiting the root's answer") }
      state = .collecting
    }
    if state == .collecting, try hasEnded(collect) { state = isRoot ? .deciding : .spreading }
    if state == .spreading, try hasEnded(spread) { state = .done }
    return state == .done
  }

  /// Sends the root's verdict, which has been written to its place, to the other nodes.
  func answer() throws(Failure) {
    try Communicator.check(vd_mpi_start_transfers(spread), "answering")
    state = .spreading
  }

  private func hasEnded(_ transfers: OpaquePointer?) throws(Failure) -> Bool {
    var done: Int32 = 0
    try Communicator.check(vd_mpi_test_transfers(transfers, &done), "exchanging losses between nodes")
    return done != 0
  }
}
