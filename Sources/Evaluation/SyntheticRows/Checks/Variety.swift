import Settings
import Training

/// The variance of the synthetic rows of a class is much smaller or larger than that of real ones.
struct Variety: Check {
  private static let least = 0.25, low = 0.5, high = 2.0

  func findings(in report: AugmentationReport) -> [Finding] {
    let check = "variety"
    guard let diversity = report.diversity else { return [] }
    let known = diversity.variances.enumerated().compactMap { place, ratio in ratio.map { (place, $0) } }
    guard let least = known.min(by: { $0.1 < $1.1 }), let most = known.max(by: { $0.1 < $1.1 }) else {
      return [Finding(.ok, check, "no class has enough rows for this check")]
    }
    let message =
      "synthetic rows of a class have \(least.1, .fixed(2)) (\(report.name(least.0))) to \(most.1, .fixed(2)) "
      + "(\(report.name(most.0))) times the variance of real ones"
    let narrow = "use draws instead of --mean, or a model that uses its latent (vae-dist evaluate)" + report.wider
    if least.1 < Self.least { return [Finding(.problem, check, "collapsed: " + message, advice: narrow)] }
    if least.1 < Self.low { return [Finding(.warning, check, message, advice: narrow)] }
    guard most.1 > Self.high else { return [Finding(.ok, check, message)] }
    return [Finding(.warning, check, message, advice: "use a likelihood that is less noisy" + report.narrower)]
  }
}
