import Communication
import Kernels
import Persistence

/// Measures in each epoch which rank the others wait for.
final class RankTimes {
  struct Report {
    /// The rank that was busy longest, and its host.
    var slowestRank: Int
    var slowestHost: String
    /// Share of all ranks' time in steps that was spent waiting for others.
    var waitShare: Double
    var seconds: RankSeconds
  }

  private let clock: PhaseClock
  private let communicator: Communicator
  private let hosts: [String]
  private var last: (busy: Double, waiting: Double) = (0, 0)
  private let all: UnsafeMutablePointer<Double>

  /// Gathers the host names of all ranks. Collective.
  init(_ clock: PhaseClock, _ communicator: Communicator) throws(Failure) {
    self.clock = clock
    self.communicator = communicator
    hosts = try communicator.gather(Array(Launcher.hostName.utf8)).map { String(decoding: $0, as: UTF8.self) }
    all = Buffer.allocate(Double.self, count: 2 * communicator.size)
  }

  deinit { all.deallocate() }

  /// Reports on the time since the last report. Collective.
  func report() throws(Failure) -> Report {
    // Rank 0's work between steps keeps the others waiting, too. The phase `reduce` does not count, because it is joint
    // work of all ranks.
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
      slowestRank: slowest, slowestHost: hosts[slowest], waitShare: total > 0 ? waited / total : 0,
      seconds: communicator.isRoot
        ? RankSeconds(UnsafeBufferPointer(start: all, count: 2 * hosts.count)) : RankSeconds())
  }
}

/// Seconds that each rank was busy in steps or waiting, for display. With many ranks, there is one entry for each group
/// of neighbouring ranks, taken from the rank that was busy longest.
package struct RankSeconds: Sendable, Equatable, Codable {
  /// Number of ranks per entry; 1 for up to `most` ranks.
  package private(set) var group = 1
  package private(set) var busy: [Double] = []
  package private(set) var wait: [Double] = []
  static let most = 64

  init() {}

  /// Creates the entries from (busy, waiting) of each rank.
  init(_ all: UnsafeBufferPointer<Double>) {
    let ranks = all.count / 2
    group = max(1, (ranks + RankSeconds.most - 1) / RankSeconds.most)
    for first in stride(from: 0, to: ranks, by: group) {
      let busiest = (first..<min(first + group, ranks)).max { all[2 * $0] < all[2 * $1] } ?? first
      busy.append(RankSeconds.rounded(all[2 * busiest]))
      wait.append(RankSeconds.rounded(all[2 * busiest + 1]))
    }
  }

  /// Rounds to a tenth of a millisecond.
  private static func rounded(_ seconds: Double) -> Double { (seconds * 10_000).rounded() / 10_000 }

  var json: JSON { .object([("group", .integer(group)), ("busy", .numbers(busy)), ("wait", .numbers(wait))]) }

  /// Whether values that were read from a file are plausible.
  var isSound: Bool {
    group > 0 && group < 1 << 32 && busy.count == wait.count && busy.count <= 4_096
      && (busy + wait).allSatisfy { $0 >= 0 && $0 < 1e12 }
  }

  /// The sum of both; `later` alone if the number of ranks has changed.
  func adding(_ later: RankSeconds) -> RankSeconds {
    guard group == later.group, busy.count == later.busy.count else { return later }
    var sum = self
    for rank in busy.indices {
      sum.busy[rank] += later.busy[rank]
      sum.wait[rank] += later.wait[rank]
    }
    return sum
  }
}
