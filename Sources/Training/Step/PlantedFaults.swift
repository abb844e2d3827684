import Glibc

/// For tests: what goes wrong on purpose.
package struct PlantedFaults: Sendable {
  package var injection: NaNInjection?
  package var delay: RankDelay?

  package init(injection: NaNInjection? = nil, delay: RankDelay? = nil) {
    (self.injection, self.delay) = (injection, delay)
  }
}

/// A NaN in the data of one rank at one step, once.
package struct NaNInjection: Sendable {
  /// Counted from 1, as steps are shown.
  let step: Int
  let rank: Int

  /// From "STEP:RANK".
  package init?(_ text: String) {
    let parts = text.split(separator: ":").compactMap { Int($0) }
    guard parts.count == 2, parts[0] > 0, parts[1] >= 0 else { return nil }
    (step, rank) = (parts[0], parts[1])
  }

  func applies(step: Int, rank: Int, _ attempt: Int) -> Bool {
    attempt == 0 && step + 1 == self.step && rank == self.rank
  }
}

/// One rank that takes longer over every microbatch.
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
