import VAE

/// Why a posterior has probably collapsed, by the configuration alone; `evaluate` knows more.
package struct CollapseCause {
  package let cause: String
  /// Settings, ready for the command line.
  package let fix: String

  /// - beta: of the last step. - elements: dimensions of a sample.
  package init(_ configuration: Configuration, beta: Double, elements: Int) {
    let objective = configuration.objective, model = configuration.model
    if objective.reconstruction == .mean, elements > 1 {
      cause =
        "loss scaling: the reconstruction is averaged over \(elements) dimensions and the KL is summed, so the "
        + "KL weighs "
        + "\(elements) times too much"
      fix = "--set objective.reconstruction=sum (or divide objective.beta.end by \(elements))"
    } else if beta > 1 {
      cause = "the KL weight beta is \(decimalText(beta))"
      fix = "--set objective.beta.end=1.0, or lower"
    } else if model.likelihood == "gaussian", model.sigma >= 0.5 {
      cause = "the likelihood's fixed sigma \(decimalText(model.sigma)) says that the data is mostly noise"
      fix = "--set model.likelihood=gaussian_learned, or a smaller model.sigma"
    } else if objective.betaSchedule == .constant || objective.betaStart >= objective.betaEnd {
      cause = "the KL has its full weight from the first step"
      fix =
        "--set objective.beta.schedule=linear --set objective.beta.start=0.0, or --set objective.free_bits=0.05"
    } else {
      cause =
        "the decoder can do without z, or the learning rate "
        + "\(decimalText(configuration.optimizer.learningRate)) is too high"
      fix =
        "--set objective.free_bits=0.05, a longer objective.beta.warmup, or a lower optimizer.learning_rate"
    }
  }
}
