import Settings
import Training

/// A classifier learns less from the synthetic rows than from real ones.
struct ClassifierBenefit: Check {
  func findings(in report: AugmentationReport) -> [Finding] {
    guard let found = report.classifier else { return [] }
    func share(_ count: Int) -> String { "\(100 * found.share(count), .fixed(1)) %" }
    let message =
      "trained only on synthetic rows, a classifier is right for \(share(found.synthetic)) of \(found.tested) "
      + "real held-out rows; trained on real rows for \(share(found.real)), on both for "
      + "\(share(found.both)) (the most common class has \(share(found.commonest)))"
    if found.isFarBelow {
      return [
        Finding(
          .problem, "classifier", message,
          advice: "synthetic rows do not represent the classes: make more rows, or train the model longer"
            + report.narrower)
      ]
    }
    return [Finding(found.lost > 2 * found.standardError ? .warning : .ok, "classifier", message)]
  }
}
