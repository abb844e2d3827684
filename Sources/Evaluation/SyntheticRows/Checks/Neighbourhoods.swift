import Settings
import Training

/// Synthetic rows overlap with real rows less than real rows do with one another.
struct Neighbourhoods: Check {
  /// Limits relative to the overlap of real rows with other real rows.
  private static let least = 0.25, low = 0.6

  func findings(in report: AugmentationReport) -> [Finding] {
    guard let overlap = report.diversity?.overlap, let usual = report.diversity?.usual else { return [] }
    let message =
      "precision \(overlap.precision, .fixed(2)), recall \(overlap.recall, .fixed(2)), "
      + "coverage \(overlap.coverage, .fixed(2)); real rows compared with each other "
      + "\(usual.precision, .fixed(2)), \(usual.recall, .fixed(2)), \(usual.coverage, .fixed(2))"
    let shares = [
      overlap.precision / max(usual.precision, 1e-9), overlap.recall / max(usual.recall, 1e-9),
      overlap.coverage / max(usual.coverage, 1e-9),
    ]
    let least = shares.indices.min { shares[$0] < shares[$1] } ?? 0
    let advice = [
      "some rows lie where no real ones do: use a smaller --quantile, or --mean" + report.narrower,
      "some real rows lie where no synthetic ones do: use draws instead of --mean" + report.wider,
      "few real rows have a synthetic row near them: use a likelihood whose draws look like the data",
    ][least]
    let level = shares[least] < Self.least ? Finding.Level.problem : shares[least] < Self.low ? .warning : .ok
    return [Finding(level, "neighbourhoods", message, advice: level == .ok ? nil : advice)]
  }
}
