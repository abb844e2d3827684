import Training

/// The model is overfitted according to the epoch history stored in the checkpoint.
struct Overfitted: Check {
  func findings(in facts: EvaluationFacts) -> [Finding] {
    guard let training = facts.training else { return [] }
    let epochs = EpochFacts(
      training.coordinator.epochWatch.history, facts.configuration, elements: facts.elements)
    return Overfitting().findings(in: epochs)
  }
}
