import Training

/// All samples are the same, so z has nothing to encode.
struct ConstantData: Cause {
  func examine(_ symptoms: Symptoms) -> Finding? {
    guard symptoms.use.dataVariance == 0 else { return nil }
    return Finding(
      .problem, "constant data", "all \(symptoms.use.samples) samples are the same",
      advice: "look at them: vae-dist data inspect")
  }
}
