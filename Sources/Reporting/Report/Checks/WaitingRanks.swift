import Settings
import Training

/// The time for which ranks waited for one another.
struct WaitingRanks: Check {
  func findings(in run: RunRecord) -> [Finding] {
    let rows = run.epochs.filter { $0.ranks > 1 && $0.waitShare.isFinite }
    guard !rows.isEmpty else { return [] }
    let share = rows.map(\.waitShare).reduce(0, +) / Double(rows.count)
    let named = Dictionary(grouping: rows.compactMap(\.slowestRank)) { $0 }.max { $0.value.count < $1.value.count }
    guard share > 0.1, let named else {
      return [Finding(.ok, "ranks", "ranks waited for one another \(share, .percent) of their time")]
    }
    // Ranks of equal speed take turns at being the slowest, and wait for something that slows all of them.
    let busy = run.metrics.rankSeconds?.busy ?? [], mean = busy.reduce(0, +) / Double(max(1, busy.count))
    let standsOut = busy.count < 2 || (busy.max() ?? 0) > 1.2 * mean
    guard standsOut, 3 * named.value.count >= 2 * rows.count else {
      let words = "ranks waited \(share, .percent) of their time, for no rank in particular"
      let advice = "see whether they have a core each (vae-dist doctor), or use fewer ranks or a larger batch"
      return [Finding(.warning, "ranks", words, advice: advice)]
    }
    let words =
      "ranks waited \(share, .percent) of their time; rank \(named.key) was the slowest in "
      + "\(named.value.count) of \(rows.count) epochs"
    return [Finding(.warning, "ranks", words, advice: "look at rank \(named.key)'s host with vae-dist doctor")]
  }
}
