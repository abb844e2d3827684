import Training

/// The weight of the KL is small or 0 and q(z) is far from the prior, so samples from the prior do not resemble the
/// data.
///
/// The mean KL is the sum of I(x; z) and KL(q(z) || p(z)) (Hoffman and Johnson, "ELBO surgery", 2016). A mismatch of
/// half a nat per unit corresponds to a standard deviation of 1.8 or a mean of 1, compared with 1 and 0 in the prior.
struct MissingKL: Cause {
  private static let mismatch = 0.5, lightest = 0.01

  func examine(_ symptoms: Symptoms) -> Finding? {
    guard symptoms.hasWeight, symptoms.weight < 1, symptoms.priorMismatch > MissingKL.mismatch else { return nil }
    let advice = WeightAdvice.more(symptoms.configuration, now: symptoms.weight)
    let isOff = symptoms.weight < MissingKL.lightest
    return Finding(
      isOff ? .problem : .warning, isOff ? "KL switched off" : "KL too light",
      "the KL weighs \(figures(symptoms.weight)) times what it does in the ELBO, and q(z) is "
        + "\(figures(symptoms.priorMismatch)) nats a unit away from the prior (KL "
        + "\(figures(symptoms.elbo.means.kl)) nats)",
      settings: advice.settings, advice: advice.note)
  }
}
