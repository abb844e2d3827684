import Settings

/// All ranks wait for the same rank in every epoch.
///
/// Among equally fast ranks, the slowest one changes from epoch to epoch. The check requires enough time to exclude
/// effects of the start-up and of other programs.
package struct SlowRank: Check {
  package static let name = "slow rank"
  private static let epochs = 3, share = 0.2, seconds = 10.0

  package func findings(in facts: EpochFacts) -> [Finding] {
    let history = facts.history
    guard let recent = history.last(SlowRank.epochs), let point = recent.last, point.ranks > 1,
      recent.allSatisfy({ $0.slowestRank == point.slowestRank && $0.waitShare >= SlowRank.share }),
      recent.reduce(0, { $0 + $1.seconds }) >= SlowRank.seconds
    else { return [] }
    return [
      Finding(
        .warning, Self.name,
        "rank \(point.slowestRank) was the slowest in each of the last \(recent.count) epochs, and "
          + "\(100 * point.waitShare, .figures) % of all ranks' time was spent waiting",
        advice: "look at its host with vae-dist doctor, or give it fewer neighbours")
    ]
  }
}
