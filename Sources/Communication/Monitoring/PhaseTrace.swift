import Glibc
import Kernels

/// The last phases of a rank. Each begins where the previous one ended. `add` allocates nothing.
final class PhaseTrace {
  struct Entry {
    var began: UInt64
    var step: Int32
    var phase: UInt8
  }

  private let entries: UnsafeMutablePointer<Entry>
  private let capacity: Int
  /// Number of phases added; the last `capacity` of them are kept.
  private(set) var seen = 0

  init(capacity: Int) {
    self.capacity = capacity
    // The memory is touched here, so that the first steps do not wait for page faults.
    entries = .allocate(capacity: capacity)
    entries.initialize(repeating: Entry(began: 0, step: 0, phase: 0), count: capacity)
  }

  deinit { entries.deallocate() }

  func add(_ phase: Phase, step: Int, at began: UInt64) {
    entries[seen % capacity] = Entry(began: began, step: Int32(truncatingIfNeeded: step), phase: UInt8(phase.rawValue))
    seen += 1
  }

  /// The phases that are kept, oldest first.
  var kept: [Entry] { (max(0, seen - capacity)..<seen).map { entries[$0 % capacity] } }
}

/// The recorded phases of one rank, as gathered on the root.
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
  /// Number of older phases that were dropped for lack of room.
  package var dropped: Int
}

/// Records the phases of all ranks on a common time line.
package struct PhaseRecording {
  /// Largest number of phases kept for a rank and for all ranks together. Each takes about 100 bytes in the file.
  private static let perRank = 1 << 16, overall = 1 << 19

  private let clock: PhaseClock
  private let communicator: Communicator
  private let origin: UInt64

  /// Begins recording once all ranks have called it. Collective.
  package init(_ clock: PhaseClock, _ communicator: Communicator) throws(Failure) {
    self.clock = clock
    self.communicator = communicator
    try communicator.barrier()
    origin = PhaseClock.now
    clock.record(capacity: min(PhaseRecording.perRank, max(1 << 10, PhaseRecording.overall / communicator.size)))
  }

  /// Returns the phases of every rank, in order of rank, on the root; empty on other ranks. Collective.
  package func gather() throws(Failure) -> [RankTrace] {
    let (kept, seen) = clock.stopRecording()
    var words = [UInt64(seen - kept.count), PhaseClock.now - origin]
    for entry in kept {
      words += [entry.began - origin, UInt64(UInt32(bitPattern: entry.step)) << 8 | UInt64(entry.phase)]
    }
    let hosts = try communicator.gather(Array(Launcher.hostName.utf8)).map { String(decoding: $0, as: UTF8.self) }
    let all = try communicator.gatherOnRoot(words)
    var end = 0
    return zip(hosts, all.counts).map { host, count in
      end += count
      let words = Array(all.values[end - count..<end])
      let events = stride(from: 2, to: words.count, by: 2).map { at in
        RankTrace.Event(
          phase: Phase(rawValue: Int(words[at + 1] & 255)) ?? .start, step: Int(words[at + 1] >> 8), began: words[at],
          ended: at + 2 < words.count ? words[at + 2] : words[1])
      }
      return RankTrace(host: host, events: events, dropped: Int(words[0]))
    }
  }
}
