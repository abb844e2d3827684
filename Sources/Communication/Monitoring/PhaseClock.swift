import Glibc
import Synchronization

/// What a rank is doing.
package enum Phase: Int, CaseIterable, Sendable {
  case start, data, forward, backward, merge, wait, reduce, update, validate, checkpoint, pictures

  /// Whether the phase is not a part of a step, so that it may last as long as a disk or a validation set demands.
  package var isLong: Bool { self == .start || self == .validate || self == .checkpoint || self == .pictures }
}

/// Measures the time that a rank spends in each phase. One thread enters phases, and the watchdog's thread reads
/// `mark`.
package final class PhaseClock: @unchecked Sendable {
  /// The current phase, whether it may be long, and the number of phases entered so far, in one word. A reader that
  /// finds it unchanged knows that there was no progress.
  private let word = Atomic<UInt64>(PhaseClock.long | UInt64(Phase.start.rawValue))
  private static let long: UInt64 = 128
  private let stepWord = Atomic<Int>(0)
  private let nanoseconds: UnsafeMutablePointer<UInt64>
  private var since = PhaseClock.now
  /// True from a long phase until the next exchange, because rank 0 may still be in that phase while the others wait
  /// for it.
  private var isLong = true
  private var trace: PhaseTrace?
  private let late = Mutex<Stragglers?>(nil)
  /// The current phase.
  package private(set) var phase = Phase.start

  package init() {
    nanoseconds = .allocate(capacity: Phase.allCases.count)
    nanoseconds.initialize(repeating: 0, count: Phase.allCases.count)
  }

  deinit { nanoseconds.deallocate() }

  /// Ends the current phase and begins another. Allocates nothing and takes about 30 ns.
  package func enter(_ next: Phase) {
    let now = PhaseClock.now
    nanoseconds[phase.rawValue] += now - since
    since = now
    phase = next
    if next.isLong { isLong = true } else if next == .update { isLong = false }  // all ranks have met in an exchange
    let entered = (word.load(ordering: .relaxed) >> 8) &+ 1
    trace?.add(next, step: next.isLong ? step : step + 1, at: now)
    word.store(entered << 8 | (isLong ? PhaseClock.long : 0) | UInt64(next.rawValue), ordering: .relaxed)
  }

  /// Tells the watchdog to stop, because no other rank waits for this one any more.
  package func finish() { word.store(.max, ordering: .relaxed) }

  /// Whether `finish` has been called. May be read from another thread.
  var isFinished: Bool { word.load(ordering: .relaxed) == .max }

  /// Records the last `capacity` phases from now on. Memory is allocated here.
  func record(capacity: Int) {
    trace = PhaseTrace(capacity: capacity)
    trace?.add(phase, step: step, at: PhaseClock.now)
  }

  /// Ends recording. Returns the recorded phases, and the number of phases since `record` including those not kept.
  func stopRecording() -> (kept: [PhaseTrace.Entry], seen: Int) {
    defer { trace = nil }
    return (trace?.kept ?? [], trace?.seen ?? 0)
  }

  /// Seconds spent in a phase, without the current one.
  package func seconds(in phase: Phase) -> Double { Double(nanoseconds[phase.rawValue]) * 1e-9 }

  /// Number of updates done. May be read from another thread.
  package var step: Int {
    get { stepWord.load(ordering: .relaxed) }
    set { stepWord.store(newValue, ordering: .relaxed) }
  }

  /// The number of the current step, counted from 1; between steps, that of the last step.
  package var stepUnderWay: Int { mark.phase.isLong ? step : step + 1 }

  /// The current phase and a count that changes with every phase entered. May be read from another thread.
  package var mark: (phase: Phase, isLong: Bool, entered: UInt64) {
    let word = word.load(ordering: .relaxed)
    return (Phase(rawValue: Int(word & (PhaseClock.long - 1))) ?? .start, word & PhaseClock.long != 0, word >> 8)
  }

  /// Sets the source of `stragglers`. Must be called with nil before its memory is freed.
  func watch(_ ranks: Stragglers?) { late.withLock { $0 = ranks } }

  /// Ranks of this node that others wait for, where that is known. May be read from another thread.
  var stragglers: [Int] { late.withLock { $0?.ranks ?? [] } }

  /// Nanoseconds of a monotonic clock.
  package static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
