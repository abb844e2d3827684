import Training

/// Kinds of real rows have no synthetic ones.
struct Modes: Check {
  private static let least = 0.5

  func findings(in report: AugmentationReport) -> [Finding] {
    guard let diversity = report.diversity else { return [] }
    let count = diversity.modes.count, covered = diversity.coveredModes
    let isMissing = Double(covered) < Self.least * Double(count)
    return [
      Finding(
        isMissing ? .problem : covered < count ? .warning : .ok, "modes",
        "\(covered) of \(count) clusters of real rows have at least a tenth of their share of synthetic rows",
        advice: covered < count
          ? "some kinds of rows are missing: make more rows, or use a model that covers all kinds" + report.wider : nil)
    ]
  }
}
