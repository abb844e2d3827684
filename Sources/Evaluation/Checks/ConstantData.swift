import Training

/// All samples are the same, so z has nothing to encode.
struct ConstantData: Check {
  func findings(in facts: EvaluationFacts) -> [Finding] {
    guard facts.use.dataVariance == 0 else { return [] }
    return [
      Finding(
        .problem, "constant data", "all \(facts.use.samples) samples are the same",
        advice: "look at them: vae-dist data inspect")
    ]
  }
}
