import Settings
import Training

/// The posterior collapsed for no other known reason: training stays in this local optimum.
///
/// While the encoder lags behind, reducing the KL is the easier way to reduce the loss, and the decoder learns to work
/// without z (He et al., "Lagging inference networks and posterior collapse", ICLR 2019). Remedies are a warm-up of the
/// KL (Bowman et al., 2016) and free bits for each unit (Kingma et al., 2016).
struct LaggingInference: Check {
  func findings(in facts: EvaluationFacts) -> [Finding] {
    let others = EvaluationChecks.all.filter { !($0 is LaggingInference) }
    guard facts.isCollapsed, !others.findings(in: facts).contains(where: { $0.level == .problem }) else { return [] }
    let objective = facts.configuration.objective
    let isSudden =
      !objective.betaSchedule.isControlled
      && (objective.betaSchedule == .constant || objective.betaStart >= objective.betaEnd)
    let evidence = isSudden ? "the KL had its full weight from the first step" : "beta rose, but not slowly enough"
    return [
      Finding(
        facts.isSettled ? .problem : .warning, "encoder left behind",
        "\(evidence), in \(facts.step) steps: \(facts.collapse)",
        settings: isSudden
          ? ["objective.beta.schedule=linear", "objective.beta.start=0.0"]
          : ["objective.free_bits=\(Treatments.leastFreeBits, .decimal)"])
    ]
  }
}
