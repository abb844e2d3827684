import Settings
import Training

/// The weight of the KL is small or 0 and q(z) is far from the prior, so samples from the prior do not resemble the
/// data.
///
/// The mean KL is the sum of I(x; z) and KL(q(z) || p(z)) (Hoffman and Johnson, "ELBO surgery", 2016). A mismatch of
/// half a nat per unit corresponds to a standard deviation of 1.8 or a mean of 1, compared with 1 and 0 in the prior.
struct MissingKL: Check {
  private static let mismatch = 0.5, lightest = 0.01

  func findings(in facts: EvaluationFacts) -> [Finding] {
    guard facts.hasWeight, facts.weight < 1, facts.priorMismatch > MissingKL.mismatch else { return [] }
    let advice = WeightAdvice.more(facts.configuration, now: facts.weight)
    let isOff = facts.weight < MissingKL.lightest
    return [
      Finding(
        isOff ? .problem : .warning, isOff ? "KL switched off" : "KL too light",
        "the KL weighs \(facts.weight, .figures) times what it does in the ELBO, and q(z) is "
          + "\(facts.priorMismatch, .figures) nats a unit away from the prior (KL "
          + "\(facts.elbo.means.kl, .figures) nats)",
        settings: advice.settings, advice: advice.note)
    ]
  }
}
