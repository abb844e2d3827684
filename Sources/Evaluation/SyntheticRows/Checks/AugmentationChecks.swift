import Training

/// The checks of synthetic rows. A finding at the level of a problem prevents the rows from being written.
enum AugmentationChecks {
  static let all: [any Check<AugmentationReport>] = [
    Acceptance(), NumberOfRows(), Variety(), Neighbourhoods(), Modes(), MemorisedRows(), ClassifierBenefit(),
  ]
}

extension AugmentationReport {
  /// Ends of advice for rows that are made around training rows, where the width can be changed as well.
  var narrower: String { options.width == nil ? "" : ", or a smaller --width" }
  var wider: String { options.width == nil ? "" : ", or a larger --width" }
}
