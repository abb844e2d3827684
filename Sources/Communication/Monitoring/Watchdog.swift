import Glibc
import Kernels

/// Ends a rank that makes no progress, because of a hung peer, a lost network or a dead disk. MPI alone would wait
/// forever.
///
/// The watchdog's thread counts its own ticks instead of reading a clock, so that a job that was suspended as a whole
/// (SIGSTOP, a sleeping laptop, Slurm's gang scheduling) continues without a false alarm. It never calls MPI.
package struct Watchdog: Sendable {
  /// The longest time that a phase may last. Long phases may last ten times as long.
  package enum Limit: Sendable, Equatable {
    /// The longer of 60 s and 20 median steps. A single rank is not watched, since no other rank waits for it.
    case auto
    case seconds(Double)
    case none
  }

  private let clock: PhaseClock
  private let rank: Int
  private let size: Int
  private let limit: Limit
  private let tick: Double

  package init(_ clock: PhaseClock, rank: Int, of size: Int, limit: Limit) {
    self.clock = clock
    self.rank = rank
    self.size = size
    self.limit = limit
    tick = min(1, max(0.01, Watchdog.floor(limit) / 40))
  }

  /// Starts a thread that watches until the clock is finished or the process ends, MPI_Finalize included.
  package func start() throws(Failure) {
    guard limit != .none, limit != .auto || size > 1 else { return }
    try Background.start("watchdog") { watch() }
  }

  private static func floor(_ limit: Limit) -> Double {
    if case .seconds(let seconds) = limit { seconds } else { 60 }
  }

  private func watch() {
    var pause = timespec(tv_sec: Int(tick), tv_nsec: Int((tick - tick.rounded(.down)) * 1e9))
    var pace = Pace(step: clock.step), last = clock.mark, quiet = 0
    while !clock.isFinished {
      nanosleep(&pause, nil)
      let mark = clock.mark
      quiet = mark.entered == last.entered ? quiet + 1 : 0
      last = mark
      pace.tick(step: clock.step)
      var allowed = Watchdog.floor(limit)
      if limit == .auto { allowed = max(allowed, 20 * Double(pace.median) * tick) }
      if mark.isLong { allowed *= 10 }
      if Double(quiet) * tick >= allowed { end(mark.phase, after: Double(quiet) * tick) }
    }
  }

  private func end(_ phase: Phase, after seconds: Double) -> Never {
    let ranks = clock.stragglers
    let waiting =
      ranks.isEmpty
      ? ""
      : "; waits for rank \(ranks.prefix(16).map(String.init).joined(separator: ", "))"
        + (ranks.count > 16 ? " and \(ranks.count - 16) more" : "")
    var text =
      "vae-dist: error: rank \(rank) on \(Launcher.hostName) stalled: step \(clock.stepUnderWay), phase \(phase), nothing moved for "
      + "\(Int(seconds.rounded())) s\(waiting) (if it was only slow, raise train.watchdog)\n"
    // The message must not block if the launcher has stopped reading.
    var stream = pollfd(fd: 2, events: Int16(POLLOUT), revents: 0)
    if poll(&stream, 1, 1_000) > 0 { text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) } }
    _exit(Failure.Status.stalled.rawValue)
  }
}

/// The median duration of the last 16 updates of the step count, in ticks. Allocates nothing.
package struct Pace {
  private var lengths = SIMD16<Int32>(repeating: 0)
  private var count = 0
  private var step: Int
  private var ticks: Int32 = 0
  package private(set) var median: Int32 = 0

  package init(step: Int) { self.step = step }

  /// Records a tick of the watchdog, at which the step count was `now`.
  package mutating func tick(step now: Int) {
    ticks &+= 1
    guard now != step else { return }
    // Steps that are shorter than a tick need no precision.
    lengths[count % 16] = now > step ? ticks / Int32(clamping: now - step) : ticks
    count += 1
    (step, ticks) = (now, 0)
    let n = min(count, 16)
    var sorted = lengths
    for i in 1..<max(n, 1) {
      var at = i
      while at > 0, sorted[at - 1] > sorted[at] {
        (sorted[at - 1], sorted[at]) = (sorted[at], sorted[at - 1])
        at -= 1
      }
    }
    median = sorted[n / 2]
  }
}
