import CMPIShim
import Glibc
import Kernels

/// The last phases of a rank, each beginning where the one before ended; no allocation after it is made.
final class PhaseTrace {
  struct Entry {
    var began: UInt64
    var step: Int32
    var phase: UInt8
  }

  private let entries: UnsafeMutablePointer<Entry>
  private let capacity: Int
  /// Phases seen; the last `capacity` of them are kept.
  private(set) var seen = 0

  init(capacity: Int) {
    self.capacity = capacity
    // Touched now, not in the first steps.
    entries = .allocate(capacity: capacity)
    entries.initialize(repeating: Entry(began: 0, step: 0, phase: 0), count: capacity)
  }

  deinit { entries.deallocate() }

  func add(_ phase: Phase, step: Int, at began: UInt64) {
    entries[seen % capacity] = Entry(began: began, step: Int32(truncatingIfNeeded: step), phase: UInt8(phase.rawValue))
    seen += 1
  }

  /// What is kept, oldest first.
  var kept: [Entry] { (max(0, seen - capacity)..<seen).map { entries[$0 % capacity] } }
}

/// What one rank did, told to the root.
package struct RankTrace: Sendable {
  package struct Event: Sendable, Equatable {
    package var phase: Phase
    package var step: Int
    /// Nanoseconds since the recording began, which is the same moment on all ranks.
    package var began: UInt64
    package var ended: UInt64
  }
  package var host: String
  package var events: [Event]
  /// Older phases that found no room.
  package var dropped: Int
}

/// Records the phases of all ranks on one time line.
package struct PhaseRecording {
  /// Phases kept of each rank, and of all ranks together: 100 bytes each in the file.
  private static let perRank = 1 << 16, overall = 1 << 19

  private let clock: PhaseClock
  private let communicator: Communicator
  private let origin: UInt64

  /// Collective: recording begins when all ranks have come.
  package init(_ clock: PhaseClock, _ communicator: Communicator) throws(Failure) {
    self.clock = clock
    self.communicator = communicator
    try communicator.barrier()
    origin = PhaseClock.now
    clock.record(capacity: min(PhaseRecording.perRank, max(1 << 10, PhaseRecording.overall / communicator.size)))
  }

  /// Every rank's phases, by rank, on the root; empty elsewhere. Collective.
  package func gather() throws(Failure) -> [RankTrace] {
    let (kept, seen) = clock.stopRecording()
    var words = [UInt64(seen - kept.count), PhaseClock.now - origin]
    for entry in kept {
      words += [entry.began - origin, UInt64(UInt32(bitPattern: entry.step)) << 8 | UInt64(entry.phase)]
    }
    let hosts = try communicator.gather(Array(Launcher.hostName.utf8)).map { String(decoding: $0, as: UTF8.self) }
    let all = try communicator.gatherOnRoot(words.withUnsafeBytes { [UInt8]($0) })
    return zip(hosts, all).map { host, bytes in
      let words = bytes.withUnsafeBytes { bytes in
        (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
      }
      let events = stride(from: 2, to: words.count, by: 2).map { at in
        RankTrace.Event(
          phase: Phase(rawValue: Int(words[at + 1] & 255)) ?? .start, step: Int(words[at + 1] >> 8), began: words[at],
          ended: at + 2 < words.count ? words[at + 2] : words[1])
      }
      return RankTrace(host: host, events: events, dropped: Int(words[0]))
    }
  }
}

extension Communicator {
  /// Every rank's bytes, by rank, on the root; nothing elsewhere: for what is too much for every rank. Collective.
  package func gatherOnRoot(_ mine: [UInt8]) throws(Failure) -> [[UInt8]] {
    let lengths = try gather(withUnsafeBytes(of: UInt64(mine.count)) { [UInt8]($0) }).map { bytes in
      bytes.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
    }
    guard size > 1 else { return [mine] }
    var transfers: OpaquePointer?
    try Communicator.check(vd_mpi_transfers(&transfers, 0), "preparing transfers")
    let out = Buffer.allocate(UInt8.self, count: mine.count)
    let places = lengths.indices.map { Buffer.allocate(UInt8.self, count: isRoot && $0 > 0 ? lengths[$0] : 0) }
    out.update(from: mine, count: mine.count)
    if isRoot {
      for other in 1..<size {
        try Communicator.check(
          vd_mpi_add_receive(transfers, world, places[other], UInt64(lengths[other]), Int32(other), 0),
          "preparing a transfer")
      }
    } else {
      try Communicator.check(
        vd_mpi_add_send(transfers, world, out, UInt64(mine.count), 0, 0), "preparing a transfer")
    }
    try Communicator.check(vd_mpi_start_transfers(transfers), "gathering \(mine.count) bytes")
    var done: Int32 = 0
    while done == 0 { try Communicator.check(vd_mpi_test_transfers(transfers, &done), "gathering on the root") }
    // Given back after the last message alone: where MPI has failed it may write there still.
    defer { for place in places + [out] { place.deallocate() } }
    try Communicator.check(vd_mpi_free_transfers(transfers), "ending transfers")
    guard isRoot else { return [] }
    return [mine] + (1..<size).map { Array(UnsafeBufferPointer(start: places[$0], count: lengths[$0])) }
  }
}
