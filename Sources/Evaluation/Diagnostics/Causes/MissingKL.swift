import Training

/// The KL weighs little or nothing, and q(z) is nowhere near the prior: samples from the prior are not of the data.
///
/// The KL's part that is not I(x; z) is KL(q(z) || p(z)) (Hoffman and Johnson, "ELBO surgery", 2016). Half a nat a unit
/// is a standard deviation off by 1.8 or a mean off by 1.
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
