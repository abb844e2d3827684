import RunConfiguration
import Settings
import VAE

/// The probable cause of a posterior collapse, derived from the configuration alone. The command `evaluate` also uses
/// measurements of the model.
package struct CollapseCause {
  package let cause: String
  package let settings: [String]
  package let note: String?
  package var fix: String { Finding.advice(settings, note) ?? "" }

  /// Derives the cause.
  ///
  /// - Parameters:
  ///   - beta: Beta of the last step.
  ///   - elements: Number of dimensions of a sample.
  package init(_ configuration: Configuration, beta: Double, elements: Int) {
    let objective = configuration.objective, model = configuration.model, sigma = configuration[.sigma]
    let weight = ConfigurationFacts(configuration, elements: elements).weight(beta: beta)
    if objective.betaSchedule == .capacity {
      cause = "the capacity \(objective.betaTarget, .figures) is too little, or not reached yet"
      (settings, note) = ([], "a higher objective.beta.target")
    } else if objective.reconstruction == .mean, elements > 1, weight > MeanReconstruction.heaviest {
      cause =
        "loss scaling: the reconstruction is averaged over \(elements) dimensions and the KL is summed, so the KL weighs "
        + "\(weight, .figures) times what it does in the ELBO"
      (settings, note) = (["objective.reconstruction=sum"], nil)
    } else if weight > 1 {
      cause = "the KL weighs \(weight, .figures) times what it does in the ELBO"
      let advice = WeightAdvice.less(configuration, now: weight)
      (settings, note) = (advice.settings, advice.note)
    } else if model.likelihood == "gaussian", sigma >= 0.5 {
      cause = "the likelihood's fixed sigma \(sigma, .figures) says that the data is mostly noise"
      (settings, note) = (["model.likelihood=gaussian_learned"], "or a smaller model.sigma")
    } else if !objective.betaSchedule.isControlled,
      objective.betaSchedule == .constant || objective.betaStart >= objective.betaEnd
    {
      cause = "the KL has its full weight from the first step"
      (settings, note) = (
        ["objective.beta.schedule=linear", "objective.beta.start=0.0"], "or an objective.free_bits of 0.125"
      )
    } else {
      cause =
        "the decoder can do without z, or the learning rate "
        + "\(configuration.optimizer.learningRate, .figures) is too high"
      (settings, note) = (
        ["objective.free_bits=\(Treatments.leastFreeBits, .decimal)"],
        "or a longer objective.beta.warmup, or a lower optimizer.learning_rate"
      )
    }
  }
}
