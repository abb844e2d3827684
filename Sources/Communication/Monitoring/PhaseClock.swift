import Glibc
import Synchronization

/// What a rank is doing.
package enum Phase: Int, CaseIterable, Sendable {
  case start, data, forward, backward, merge, wait, reduce, update, validate, checkpoint, pictures

  /// Whether it is no part of a step and may take as long as a disk or a validation set does.
  package var isLong: Bool { self == .start || self == .validate || self == .checkpoint || self == .pictures }
}

/// Where a rank's time goes: one owner enters phases, the watchdog's thread reads the mark.
package final class PhaseClock: @unchecked Sendable {
  /// Phase under way, whether it may be long, and number of phases entered so far, in one word: whoever sees it
  /// unchanged saw no progress.
  private let word = Atomic<UInt64>(PhaseClock.long | UInt64(Phase.start.rawValue))
  private static let long: UInt64 = 128
  private let stepWord = Atomic<Int>(0)
  private let nanoseconds: UnsafeMutablePointer<UInt64>
  private var since = PhaseClock.now
  /// From a long phase on: rank 0 may be in it still while the others have gone on and wait for it.
  private var isLong = true
  private var trace: PhaseTrace?
  private let late = Mutex<Stragglers?>(nil)
  /// The phase under way.
  package private(set) var phase = Phase.start

  package init() {
    nanoseconds = .allocate(capacity: Phase.allCases.count)
    nanoseconds.initialize(repeating: 0, count: Phase.allCases.count)
  }

  deinit { nanoseconds.deallocate() }

  /// Ends the phase under way and begins another; no allocation, about 30 ns.
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

  /// Nobody waits for this rank any more: the watchdog has nothing to watch.
  package func finish() { word.store(.max, ordering: .relaxed) }

  /// For another thread.
  var isFinished: Bool { word.load(ordering: .relaxed) == .max }

  /// Keeps the last `capacity` phases from now on; their room is made here.
  func record(capacity: Int) {
    trace = PhaseTrace(capacity: capacity)
    trace?.add(phase, step: step, at: PhaseClock.now)
  }

  /// Phases kept since `record`, and how many there were.
  func stopRecording() -> (kept: [PhaseTrace.Entry], seen: Int) {
    defer { trace = nil }
    return (trace?.kept ?? [], trace?.seen ?? 0)
  }

  /// Seconds spent in a phase, without the one under way.
  package func seconds(in phase: Phase) -> Double { Double(nanoseconds[phase.rawValue]) * 1e-9 }

  /// Updates done, for whoever looks on.
  package var step: Int {
    get { stepWord.load(ordering: .relaxed) }
    set { stepWord.store(newValue, ordering: .relaxed) }
  }

  /// The step that is being done, counted from 1, or was done last when none is.
  package var stepUnderWay: Int { mark.phase.isLong ? step : step + 1 }

  /// For another thread: changes with every phase entered.
  package var mark: (phase: Phase, isLong: Bool, entered: UInt64) {
    let word = word.load(ordering: .relaxed)
    return (Phase(rawValue: Int(word & (PhaseClock.long - 1))) ?? .start, word & PhaseClock.long != 0, word >> 8)
  }

  /// Tells whom to ask for the ranks that others wait for; nil before its memory goes.
  func watch(_ ranks: Stragglers?) { late.withLock { $0 = ranks } }

  /// For another thread: ranks of this node that others wait for, where that is known.
  var stragglers: [Int] { late.withLock { $0?.ranks ?? [] } }

  /// Nanoseconds of a clock that never goes back.
  package static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
