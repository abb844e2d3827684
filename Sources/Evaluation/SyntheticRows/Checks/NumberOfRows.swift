import Training

/// There are too few rows for the checks of the whole set.
struct NumberOfRows: Check {
  func findings(in report: AugmentationReport) -> [Finding] {
    guard report.diversity == nil, report.synthesis.outcomes.allSatisfy(\.isFull) else { return [] }
    return [
      Finding(
        .warning, "number of rows",
        "\(report.rows.count) rows are too few to check for variety, copies and usefulness: only the gate "
          + "has judged them", advice: "use -n \(AugmentationReport.leastRows) or more")
    ]
  }
}
