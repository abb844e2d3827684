import Glibc

/// For tests: one rank that takes longer over every microbatch.
package struct RankDelay: Sendable {
  private let rank: Int
  private let microseconds: UInt32

  /// From "RANK:MILLISECONDS".
  package init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).compactMap { UInt32($0) }
    guard parts.count == 2, parts[1] <= 1_000_000 else { return nil }
    (rank, microseconds) = (Int(parts[0]), parts[1] * 1_000)
  }

  func apply(to rank: Int) {
    if rank == self.rank { usleep(microseconds) }
  }
}
