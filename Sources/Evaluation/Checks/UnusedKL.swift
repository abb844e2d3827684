import Settings
import Training

/// The KL of z is larger than the benefit of z to the decoder.
///
/// For a decoder that models p(x | z), the cost of decoding with the z of another sample is at least I(x; z). In sound
/// models it is three to five times the KL. A cost below half of the KL is beyond noise, and the rest of the KL only
/// moves q(z) away from the prior.
struct UnusedKL: Check {
  private static let part = 0.5, none = 0.1, least = 1.0

  func findings(in facts: EvaluationFacts) -> [Finding] {
    let kl = facts.elbo.means.kl, gap = facts.use.gap
    guard facts.isSettled, kl > UnusedKL.least, gap < UnusedKL.part * kl else { return [] }
    let advice =
      facts.weight < 1 || !facts.hasWeight
      ? WeightAdvice.more(facts.configuration, now: facts.weight) : nil
    return [
      Finding(
        gap < UnusedKL.none * kl ? .problem : .warning, "z not worth its KL",
        "z costs \(kl, .figures) nats of KL, and another sample's z costs the decoder \(gap, .figures): "
          + facts.collapse,
        settings: advice?.settings ?? [],
        advice: advice == nil ? "train longer, or a lower optimizer.learning_rate" : advice?.note)
    ]
  }
}
