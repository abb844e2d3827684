/// All ranks wait for the same rank in every epoch.
///
/// Among equally fast ranks, the slowest one changes from epoch to epoch. The sign requires enough time to exclude
/// effects of the start-up and of other programs.
struct SlowRank: Sign {
  let name = "slow rank"
  private static let epochs = 3, share = 0.2, seconds = 10.0

  func examine(_ history: EpochHistory, _ context: SignContext) -> Finding? {
    guard let recent = history.last(SlowRank.epochs), let point = recent.last, point.ranks > 1,
      recent.allSatisfy({ $0.slowestRank == point.slowestRank && $0.waitShare >= SlowRank.share }),
      recent.reduce(0, { $0 + $1.seconds }) >= SlowRank.seconds
    else { return nil }
    return Finding(
      .warning, name,
      "rank \(point.slowestRank) was the slowest in each of the last \(recent.count) epochs, and "
        + "\(figures(100 * point.waitShare)) % of all ranks' time was spent waiting",
      advice: "look at its host with vae-dist doctor, or give it fewer neighbours")
  }
}
