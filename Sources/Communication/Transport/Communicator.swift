import CMPIShim
import Foundation
import Kernels

/// The ranks of a run, numbered so that the ranks of a node are consecutive. A single rank runs the same code as many.
package final class Communicator {
  package let rank: Int
  package let size: Int
  package var isRoot: Bool { rank == 0 }
  /// Which ranks share memory.
  package let topology: Topology
  package var nodeSize: Int { topology.nodes[topology.node].count }
  let world: OpaquePointer
  private let launched: OpaquePointer
  /// Cached result of `ranksSharingCores`, which does not change because launchers bind ranks before they start.
  var coreSharers: Int?
  private var isFinished = false

  /// Starts MPI. Call once per process.
  package init() throws(Failure) {
    var world: OpaquePointer?
    var rank: Int32 = 0
    var size: Int32 = 1
    Launcher.skipNetworksWhenAlone()
    try Communicator.check(vd_mpi_start(&world, &rank, &size), "starting MPI")
    guard let world else { throw Failure(.failure, "MPI started without a communicator") }
    let placement = try RankPlacement(world, rank: Int(rank), size: Int(size))
    var ordered: OpaquePointer?
    try Communicator.check(vd_mpi_split(world, 0, Int32(placement.seat), &ordered), "ordering the ranks by node")
    guard let ordered else { throw Failure(.failure, "MPI made no communicator of all ranks") }
    self.launched = world
    self.world = ordered
    self.rank = placement.seat
    self.size = Int(size)
    topology = try Topology(
      world: ordered, rank: placement.seat, nodes: placement.nodes, memory: placement.memory,
      machineSize: placement.machineSize)
    try Launcher.refuseMismatch(size: self.size)
  }

  /// Ends MPI. Call on every rank after the last collective operation; further calls do nothing.
  package func finish() {
    guard !isFinished else { return }
    isFinished = true
    topology.close()
    vd_mpi_free_comm(world)
    vd_mpi_free_comm(launched)
    _ = vd_mpi_finish()
  }

  /// Throws if an MPI call returned an error code. All calls are checked here.
  static func check(_ code: Int32, _ doing: String) throws(Failure) {
    guard code != 0 else { return }
    var text = [CChar](repeating: 0, count: 1024)
    vd_mpi_error_text(code, &text, text.count)
    let message = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    throw Failure(
      .failure, "MPI failed while \(doing): \(message)", hint: "see `mpirun --version` and the launcher's log")
  }

  package static var library: String {
    var text = [CChar](repeating: 0, count: 512)
    vd_mpi_library(&text, text.count)
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  // MARK: Collectives

  /// Waits until every rank has called it. Collective.
  package func barrier() throws(Failure) { try Communicator.check(vd_mpi_barrier(world), "waiting for all ranks") }

  /// Fills `bytes` on every rank with the root's bytes. All ranks pass the same number of bytes. Collective.
  package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int = 0) throws(Failure) {
    try Communicator.check(
      vd_mpi_broadcast(world, bytes.baseAddress, UInt64(bytes.count), Int32(root)), "broadcasting \(bytes.count) bytes")
  }

  /// Broadcasts the root's bytes to memory that the ranks of each node share. Collective.
  package func broadcastToNodes(_ bytes: UnsafeMutableRawBufferPointer) throws(Failure) {
    if topology.nodeRank == 0, let lane = topology.lane {
      try Communicator.check(
        vd_mpi_broadcast(lane, bytes.baseAddress, UInt64(bytes.count), 0), "broadcasting \(bytes.count) bytes")
    }
    try topology.barrier()
  }

  /// Returns the root's bytes on every rank. Only the root needs to know their number. Collective.
  package func broadcast(_ bytes: [UInt8], from root: Int = 0) throws(Failure) -> [UInt8] {
    var count = Int64(bytes.count)
    try withBytes(of: &count) { bytes throws(Failure) in try broadcast(bytes, from: root) }
    var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(count))
    try withBytes(of: &result) { bytes throws(Failure) in try broadcast(bytes, from: root) }
    return result
  }

  /// Returns the root's text on every rank. Collective.
  package func broadcast(_ text: String, from root: Int = 0) throws(Failure) -> String {
    String(decoding: try broadcast(Array(text.utf8), from: root), as: UTF8.self)
  }

  /// Sets a value on every rank to the root's value. Collective.
  package func broadcastValue<T: BitwiseCopyable>(_ value: inout T, from root: Int = 0) throws(Failure) {
    try withBytes(of: &value) { bytes throws(Failure) in try broadcast(bytes, from: root) }
  }

  /// Returns the maximum of each element over all ranks. Collective.
  package func maximum(_ values: [Int64]) throws(Failure) -> [Int64] {
    var values = values
    let count = UInt64(values.count)
    try Communicator.check(vd_mpi_allreduce_max(world, &values, count), "comparing values")
    return values
  }

  /// Returns the number of every rank, in order of rank. Collective.
  private func lengths(_ mine: Int) throws(Failure) -> [UInt64] {
    var lengths = [UInt64](repeating: 0, count: size)
    let eights = [UInt64](repeating: 8, count: size)
    let places = (0..<size).map { UInt64(8 * $0) }
    var length = UInt64(mine)
    try Communicator.check(vd_mpi_allgather(world, &length, 8, &lengths, eights, places), "gathering lengths")
    return lengths
  }

  /// Returns, on the root, the concatenated values of all ranks and the number of values of each rank; empty on other
  /// ranks. Use it for data that is too large to be held by every rank. Collective.
  package func gatherOnRoot<T: BitwiseCopyable>(_ mine: [T]) throws(Failure) -> (values: [T], counts: [Int]) {
    let lengths = try lengths(mine.count * MemoryLayout<T>.stride)
    let counts = isRoot ? lengths.map { Int($0) / MemoryLayout<T>.stride } : []
    var code: Int32 = 0
    let values = [T](unsafeUninitializedCapacity: counts.reduce(0, +)) { all, count in
      code = mine.withUnsafeBytes { vd_mpi_gather(world, $0.baseAddress, UInt64($0.count), all.baseAddress, lengths) }
      count = counts.reduce(0, +)
    }
    try Communicator.check(code, "gathering on the root")
    return (values, counts)
  }

  /// Returns the bytes of every rank, in order of rank, on every rank. Lengths may differ. Collective.
  package func gather(_ mine: [UInt8]) throws(Failure) -> [[UInt8]] {
    let lengths = try lengths(mine.count)
    var offsets = [UInt64](), total: UInt64 = 0
    for length in lengths {
      offsets.append(total)
      total += length
    }
    var all = [UInt8](repeating: 0, count: Int(total))
    try Communicator.check(
      vd_mpi_allgather(world, mine, UInt64(mine.count), &all, lengths, offsets), "gathering \(total) bytes")
    return (0..<size).map { Array(all[Int(offsets[$0])..<Int(offsets[$0] + lengths[$0])]) }
  }

  /// Concatenates `counts[r]` elements of every rank r, in order of rank, on every rank. Collective.
  package func gather(_ mine: UnsafePointer<Double>, counts: [Int], into all: UnsafeMutablePointer<Double>)
    throws(Failure)
  {
    var offsets = [UInt64](), total: UInt64 = 0
    let bytes = counts.map { UInt64($0 * 8) }
    for count in bytes {
      offsets.append(total)
      total += count
    }
    try Communicator.check(vd_mpi_allgather(world, mine, bytes[rank], all, bytes, offsets), "gathering sums")
  }

  /// Runs `body` on every rank. If it throws on any rank, every rank throws the failure of the lowest such rank.
  /// Collective.
  package func together<T>(_ body: () throws(Failure) -> T) throws(Failure) -> T {
    var result: T?
    var failure: Failure?
    do { result = try body() } catch { failure = error }
    let failed = try maximum([failure == nil ? -1 : Int64(size - rank)])[0]
    guard failed >= 0 else { return result! }
    let culprit = size - Int(failed)
    let text = try broadcast(
      failure.map { "\($0.status.rawValue)\u{1}\($0.message)\u{1}\($0.hint ?? "")" } ?? "", from: culprit)
    let parts = text.split(separator: "\u{1}", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    var shared = Failure(
      Int32(parts[0]).flatMap(Failure.Status.init) ?? .failure, parts.count > 1 ? parts[1] : "a rank failed",
      hint: parts.count > 2 && !parts[2].isEmpty ? parts[2] : nil)
    shared.isCollective = true
    throw shared
  }

  /// Throws on every rank if ranks differ in any item, with the ranks and the items that differ. Used at start-up and
  /// after epochs. Collective.
  package func agree(
    on items: [(label: String, value: String)], when: String = "before the first step",
    status: Failure.Status = .failure, hint: String = "check the memory and the CPUs of these hosts"
  ) throws(Failure) {
    let all = try gather(Array(items.map(\.value).joined(separator: "\u{1}").utf8))
    guard let first = all.first, let other = all.firstIndex(where: { $0 != first }) else { return }
    func values(_ bytes: [UInt8]) -> [String] {
      String(decoding: bytes, as: UTF8.self).split(separator: "\u{1}", omittingEmptySubsequences: false).map(
        String.init)
    }
    let a = values(first), b = values(all[other])
    let differing = items.indices.filter { $0 >= a.count || $0 >= b.count || a[$0] != b[$0] }
    let ranks = all.indices.filter { all[$0] != first }.map(String.init).joined(separator: ", ")
    let what = differing.map { i in
      "\(items[i].label): '\(i < a.count ? a[i] : "")' on rank 0, '\(i < b.count ? b[i] : "")' on rank \(other)"
    }.joined(separator: "; ")
    var failure = Failure(
      status, "ranks disagree \(when) (rank \(ranks) against rank 0): \(what)", hint: hint)
    failure.isCollective = true
    throw failure
  }

  private func withBytes<T: BitwiseCopyable>(
    of value: inout T, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    var failure: Failure?
    withUnsafeMutableBytes(of: &value) { bytes in
      do { try body(bytes) } catch let error as Failure { failure = error } catch {}
    }
    if let failure { throw failure }
  }

  private func withBytes(
    of array: inout [UInt8], _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    var failure: Failure?
    array.withUnsafeMutableBytes { bytes in
      do { try body(bytes) } catch let error as Failure { failure = error } catch {}
    }
    if let failure { throw failure }
  }
}
