import CMPIShim
import Kernels

/// The number format of messages between nodes.
package enum WireFormat: String, CaseIterable, Sendable {
  case float32
  /// Halves the size of messages. Every value that is sent loses its low 16 bits, so that the result depends on the
  /// number of nodes.
  case bfloat16
}

/// Sums a rank's slice of one bucket: over its node first, then each part at the part's owner, and back to all nodes.
///
/// `advance` never waits, so that it can be called during the backward pass.
final class LaneBucket {
  private enum State { case idle, scattering, gathering, done }
  private var state = State.done
  private let slice: Range<Int>
  private let owned: Range<Int>
  private let nodeMerges: [ReductionTree.Merge]
  private let nodeBuffers: [UnsafeMutablePointer<Float>]
  /// The place of the node's sum, (count).
  private let gradient: UnsafeMutablePointer<Float>
  private let finalMerges: [ReductionTree.Merge]
  /// This rank's part of every block of every node, in order. Element 0 is the first element of the part.
  private var finalBlocks: [UnsafeMutablePointer<Float>] = []
  private var arrivals: OpaquePointer?
  private var scatter: OpaquePointer?
  private var gather: OpaquePointer?
  private var staged: [UnsafeMutablePointer<Float>] = []
  /// Numbers that are converted to bfloat16 before a transfer, or from bfloat16 after it.
  private struct Conversion {
    let numbers: UnsafeMutablePointer<Float>
    let wire: UnsafeMutablePointer<UInt16>
    let count: Int
  }
  private var packs: [Conversion] = []
  private var unpacks: [Conversion] = []
  private var sumPack: Conversion?
  private var sumUnpacks: [Conversion] = []

  /// - nodeBuffers: the blocks of all ranks of this node.
  init(
    _ plan: ExchangePlan, _ topology: Topology, bucket: Int, of buckets: Int, wire: WireFormat,
    nodeBuffers: [UnsafeMutablePointer<Float>], gradient: UnsafeMutablePointer<Float>
  ) throws(Failure) {
    self.nodeBuffers = nodeBuffers
    self.gradient = gradient
    let program = plan.nodeProgram(of: topology.node)
    nodeMerges = program.merges
    finalMerges = plan.finalMerges
    let slice = plan.slice(bucket: bucket, of: buckets, lane: topology.nodeRank)
    let owned = plan.part(of: slice, node: topology.node)
    self.slice = slice
    self.owned = owned
    guard let lane = topology.lane else { return }
    // During a backward pass no rank answers the handshake of a large message. Small pieces are sent without a
    // handshake, and the sockets' buffers carry them on.
    let piece: UInt64 = buckets > 1 ? 60 << 10 : 0
    try Communicator.check(vd_mpi_transfers(&arrivals, piece), "preparing transfers")
    try Communicator.check(vd_mpi_transfers(&scatter, piece), "preparing transfers")
    try Communicator.check(vd_mpi_transfers(&gather, piece), "preparing transfers")
    let tag = Int32(2 * bucket * 64)
    for node in topology.nodes.indices {
      let count = plan.nodeBlocks(of: node).count
      for block in 0..<count {
        guard node != topology.node else {
          finalBlocks.append(nodeBuffers[program.remaining[block]] + owned.lowerBound)
          continue
        }
        let place = Buffer.allocate(Float.self, count: owned.count)
        staged.append(place)
        finalBlocks.append(place)
        try receive(place, owned.count, &unpacks, wire, arrivals, lane, from: node, tag: tag + Int32(block))
      }
      guard node != topology.node else { continue }
      let theirs = plan.part(of: slice, node: node)
      for (block, index) in program.remaining.enumerated() {
        if let pack = try send(
          nodeBuffers[index] + theirs.lowerBound, theirs.count, wire, scatter, lane, to: node, tag: tag + Int32(block))
        {
          packs.append(pack)
        }
      }
      try receive(
        gradient + theirs.lowerBound, theirs.count, &sumUnpacks, wire, gather, lane, from: node, tag: tag + 64)
    }
    // The sum is sent to all other nodes from the same buffer.
    var sum = UnsafeRawPointer(gradient + owned.lowerBound), bytes = owned.count * 4
    if wire == .bfloat16 {
      let pack = conversion(gradient + owned.lowerBound, owned.count)
      sumPack = pack
      (sum, bytes) = (UnsafeRawPointer(pack.wire), owned.count * 2)
    }
    for node in topology.nodes.indices where node != topology.node {
      try Communicator.check(
        vd_mpi_add_send(gather, lane, sum, UInt64(bytes), Int32(node), tag + 64), "preparing a transfer")
    }
  }

  /// Frees the buffers. Call between steps and before MPI ends. After a failure it must not be called: messages may
  /// still arrive in the buffers, which are then never freed.
  func close() {
    for transfers in [arrivals, scatter, gather].compactMap({ $0 }) { vd_mpi_free_transfers(transfers) }
    (arrivals, scatter, gather) = (nil, nil, nil)
    for place in staged { place.deallocate() }
    for conversion in packs + unpacks + sumUnpacks + [sumPack].compactMap({ $0 }) { conversion.wire.deallocate() }
    (staged, packs, unpacks, sumUnpacks, sumPack) = ([], [], [], [], nil)
  }

  /// Begins a step and starts to receive from other nodes.
  func begin() throws(Failure) {
    state = scatter == nil || slice.isEmpty ? .done : .idle
    if state == .idle { try Communicator.check(vd_mpi_start_transfers(arrivals), "awaiting gradients") }
  }

  /// Makes as much progress as is possible without waiting. Returns true when the exchange is complete.
  ///
  /// - isReady: whether all ranks of the node have finished their blocks.
  func advance(isReady: Bool) throws(Failure) -> Bool {
    if state == .idle {
      guard isReady else {
        // MPI receives what other nodes send only within its calls.
        _ = try hasEnded(arrivals)
        return false
      }
      ExchangePlan.run(nodeMerges, over: slice, blocks: nodeBuffers, origin: 0)
      for pack in packs { vd_f32_to_bf16(pack.wire, pack.numbers, pack.count) }
      try Communicator.check(vd_mpi_start_transfers(scatter), "sending gradients")
      state = .scattering
    }
    if state == .scattering, try hasEnded(arrivals), try hasEnded(scatter) {
      for unpack in unpacks { vd_bf16_to_f32(unpack.numbers, unpack.wire, unpack.count) }
      ExchangePlan.run(finalMerges, over: owned, blocks: finalBlocks, origin: owned.lowerBound)
      let place = gradient + owned.lowerBound
      if finalBlocks[0] != place { place.update(from: finalBlocks[0], count: owned.count) }
      if let sumPack {
        vd_f32_to_bf16(sumPack.wire, place, owned.count)
        // Use the rounded sum that the other nodes receive, so that all replicas stay equal.
        vd_bf16_to_f32(place, sumPack.wire, owned.count)
      }
      try Communicator.check(vd_mpi_start_transfers(gather), "sending sums")
      state = .gathering
    }
    if state == .gathering, try hasEnded(gather) {
      for unpack in sumUnpacks { vd_bf16_to_f32(unpack.numbers, unpack.wire, unpack.count) }
      state = .done
    }
    return state == .done
  }

  private func hasEnded(_ transfers: OpaquePointer?) throws(Failure) -> Bool {
    var done: Int32 = 0
    try Communicator.check(vd_mpi_test_transfers(transfers, &done), "exchanging gradients between nodes")
    return done != 0
  }

  private func conversion(_ numbers: UnsafeMutablePointer<Float>, _ count: Int) -> Conversion {
    Conversion(numbers: numbers, wire: Buffer.allocate(UInt16.self, count: count), count: count)
  }

  private func receive(
    _ numbers: UnsafeMutablePointer<Float>, _ count: Int, _ conversions: inout [Conversion], _ wire: WireFormat,
    _ transfers: OpaquePointer?, _ lane: OpaquePointer, from node: Int, tag: Int32
  ) throws(Failure) {
    var place = UnsafeMutableRawPointer(numbers), bytes = count * 4
    if wire == .bfloat16 {
      conversions.append(conversion(numbers, count))
      (place, bytes) = (UnsafeMutableRawPointer(conversions[conversions.count - 1].wire), count * 2)
    }
    try Communicator.check(
      vd_mpi_add_receive(transfers, lane, place, UInt64(bytes), Int32(node), tag), "preparing a transfer")
  }

  private func send(
    _ numbers: UnsafeMutablePointer<Float>, _ count: Int, _ wire: WireFormat, _ transfers: OpaquePointer?,
    _ lane: OpaquePointer, to node: Int, tag: Int32
  ) throws(Failure) -> Conversion? {
    let pack = wire == .bfloat16 ? conversion(numbers, count) : nil
    let place = pack.map { UnsafeRawPointer($0.wire) } ?? UnsafeRawPointer(numbers)
    try Communicator.check(
      vd_mpi_add_send(transfers, lane, place, UInt64(count * (pack == nil ? 4 : 2)), Int32(node), tag),
      "preparing a transfer")
    return pack
  }
}
