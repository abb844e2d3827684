import Communication
import Kernels

/// Whom the ranks wait for, epoch by epoch.
final class RankTimes {
  struct Report {
    /// The rank that was busy longest, and its machine.
    var slowestRank: Int
    var slowestHost: String
    /// Part of all ranks' time in steps that was spent waiting for others.
    var waitShare: Double
  }

  private let clock: PhaseClock
  private let communicator: Communicator
  private let hosts: [String]
  private var last: (busy: Double, waiting: Double) = (0, 0)
  private let all: UnsafeMutablePointer<Double>

  /// Collective.
  init(_ clock: PhaseClock, _ communicator: Communicator) throws(Failure) {
    self.clock = clock
    self.communicator = communicator
    hosts = try communicator.gather(Array(Launcher.hostName.utf8)).map { String(decoding: $0, as: UTF8.self) }
    all = Buffer.allocate(Double.self, count: 2 * communicator.size)
  }

  deinit { all.deallocate() }

  /// About the time since the last report. Collective.
  func report() throws(Failure) -> Report {
    // What the root does between steps keeps the others waiting, too. `reduce` is work done together.
    let busy = [Phase.data, .forward, .backward, .merge, .update, .checkpoint, .pictures]
      .reduce(0) { $0 + clock.seconds(in: $1) }
    let waiting = clock.seconds(in: .wait)
    let mine = [busy - last.busy, waiting - last.waiting]
    last = (busy, waiting)
    try communicator.gather(mine, counts: hosts.map { _ in 2 }, into: all)
    let slowest = hosts.indices.max { all[2 * $0] < all[2 * $1] } ?? 0
    let waited = hosts.indices.reduce(0) { $0 + all[2 * $1 + 1] }
    let total = hosts.indices.reduce(waited) { $0 + all[2 * $1] }
    return Report(
      slowestRank: slowest, slowestHost: hosts[slowest], waitShare: total > 0 ? waited / total : 0)
  }
}
