import Glibc

/// Faults that tests inject on purpose.
package struct PlantedFaults: Sendable {
  package var injection: NaNInjection?
  package var delay: RankDelay?

  package init(injection: NaNInjection? = nil, delay: RankDelay? = nil) {
    (self.injection, self.delay) = (injection, delay)
  }
}

/// Injects a NaN into the data of one rank at one step, once.
package struct NaNInjection: Sendable {
  /// The step, counted from 1 as in the output.
  let step: Int
  let rank: Int

  /// Parses "STEP:RANK"; nil if the text has another form.
  package init?(_ text: String) {
    let parts = text.split(separator: ":").compactMap { Int($0) }
    guard parts.count == 2, parts[0] > 0, parts[1] >= 0 else { return nil }
    (step, rank) = (parts[0], parts[1])
  }

  func applies(step: Int, rank: Int, _ attempt: Int) -> Bool {
    attempt == 0 && step + 1 == self.step && rank == self.rank
  }
}

/// Delays every microbatch of one rank.
package struct RankDelay: Sendable {
  private let rank: Int
  private let microseconds: UInt32

  /// Parses "RANK:MILLISECONDS"; nil if the text has another form.
  package init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).compactMap { UInt32($0) }
    guard parts.count == 2, parts[1] <= 1_000_000 else { return nil }
    (rank, microseconds) = (Int(parts[0]), parts[1] * 1_000)
  }

  func apply(to rank: Int) {
    if rank == self.rank { usleep(microseconds) }
  }
}
