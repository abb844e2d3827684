/// All wait for always the same rank.
///
/// Ranks as fast as each other take turns at being the slowest; for so long that no start-up or other program explains
/// it.
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
