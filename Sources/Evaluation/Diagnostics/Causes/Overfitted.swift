import Training

/// The model is overfitted according to the epoch history stored in the checkpoint.
struct Overfitted: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    guard let training = symptoms.training else { return nil }
    let context = SignContext(symptoms.configuration, elements: symptoms.elements)
    return Overfitting().examine(training.coordinator.signs.history, context)
  }
}
