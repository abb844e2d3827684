import Settings
import Training

/// Synthetic rows are copies of training rows.
struct MemorisedRows: Check {
  func findings(in report: AugmentationReport) -> [Finding] {
    guard let verdict = report.memorisation else { return [] }
    let check = "memorisation"
    let message =
      "\(verdict.copies) of \(verdict.rows) rows are as near to a training row as a copy; a synthetic row is nearer to "
      + "a training row than a real one in \(100 * verdict.distances.share, .fixed(1)) % of pairs, and more closely "
      + "tied to a single training row in \(100 * verdict.ratios.share, .fixed(1)) %"
    guard verdict.isMemorised else { return [Finding(.ok, check, message)] }
    return [
      Finding(
        .problem, check, message,
        advice: report.options.width == nil
          ? "use a model that memorises less: fewer epochs, a smaller model, or more training rows"
          : "use a larger --width: rows hardly differ from those that they were made around")
    ]
  }
}
