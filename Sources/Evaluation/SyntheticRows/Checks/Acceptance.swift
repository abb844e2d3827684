import Settings
import Training

/// The quality gate rejected so many candidates that rows are missing, or more than it passed.
struct Acceptance: Check {
  private static let least = 0.5

  func findings(in report: AugmentationReport) -> [Finding] {
    let synthesis = report.synthesis, check = "quality gate"
    let counts = QualityGate.Reason.allCases.map { ($0, synthesis.rejected(for: $0)) }.filter { $0.1 > 0 }
    let words = counts.map { "\($0.1) because \($0.0.meaning)" }.joined(separator: ", ")
    let passed =
      "\(synthesis.rows.count) of \(synthesis.drawn) candidates passed (\(100 * synthesis.acceptance, .fixed(1)) %)"
    let message = passed + (words.isEmpty ? "" : "; rejected: " + words)
    let advice = counts.max { $0.1 < $1.1 }.map { Self.advice($0.0, report) }
    if let place = synthesis.outcomes.firstIndex(where: { !$0.isFull }) {
      let outcome = synthesis.outcomes[place]
      return [
        Finding(
          .problem, check,
          "\(outcome.kept) of \(outcome.drawn) candidates for \(report.name(place)) passed, but \(outcome.wanted) were "
            + "requested; in total " + message, advice: advice)
      ]
    }
    let isLow = synthesis.acceptance < Self.least
    return [Finding(isLow ? .warning : .ok, check, message, advice: isLow ? advice : nil)]
  }

  private static func advice(_ reason: QualityGate.Reason, _ report: AugmentationReport) -> String {
    switch reason {
    case .reconstruction:
      report.options.usesMean
        ? "use a model that reconstructs better" + report.narrower
        : "use --mean, a model.likelihood whose draws look like the data, such as discretized_logistic for pictures "
          + "(docs/reference/likelihoods.md), or a model that overfits less" + report.narrower
    case .density: "use a model that fits held-out rows better" + report.narrower
    case .copy: "use a model that memorises less (fewer epochs, or a smaller one)" + report.wider
    }
  }
}
