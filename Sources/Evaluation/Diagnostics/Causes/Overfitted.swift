import Training

/// What the epochs showed, as long as the checkpoint remembers them.
struct Overfitted: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    guard let training = symptoms.training else { return nil }
    let context = SignContext(symptoms.configuration, elements: symptoms.elements)
    return Overfitting().examine(training.coordinator.signs.history, context)
  }
}
