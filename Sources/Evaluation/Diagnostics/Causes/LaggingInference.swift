import Settings
import Training

/// A collapse that nothing else explains: training got stuck at it.
///
/// He et al., "Lagging inference networks and posterior collapse", ICLR 2019: while the encoder is behind, the KL is
/// the cheaper term, and the decoder learns to do without. Bowman et al., 2016: let the KL come later; Kingma et al.,
/// 2016: give each unit some nats free.
struct LaggingInference: Cause {
  let isLastResort = true

  func examine(_ symptoms: Symptoms) -> Finding? {
    guard symptoms.isCollapsed else { return nil }
    let objective = symptoms.configuration.objective
    let isSudden =
      !objective.betaSchedule.isControlled
      && (objective.betaSchedule == .constant || objective.betaStart >= objective.betaEnd)
    let evidence = isSudden ? "the KL had its full weight from the first step" : "beta rose, but not slowly enough"
    return Finding(
      symptoms.isSettled ? .problem : .warning, "encoder left behind",
      "\(evidence), in \(symptoms.step) steps: \(symptoms.collapse)",
      settings: isSudden
        ? ["objective.beta.schedule=linear", "objective.beta.start=0.0"]
        : ["objective.free_bits=\(decimalText(Treatments.leastFreeBits))"])
  }
}
