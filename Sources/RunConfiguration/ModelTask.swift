import Settings

/// The purpose of a model. It determines the default weight of the KL.
package enum ModelTask: String, CaseIterable, Sendable {
  case none, generation, anomaly, disentanglement

  /// The beta of the task; nil keeps the beta of the preset.
  package var beta: Double? {
    switch self {
    case .none: nil
    case .generation, .anomaly: 1
    case .disentanglement: 4
    }
  }

  /// The range of beta that suits the task.
  package var betas: ClosedRange<Double> {
    switch self {
    case .none: 0.05...16
    case .generation: 0.3...2
    case .anomaly: 0.1...1
    case .disentanglement: 2...16
    }
  }

  package var reason: String {
    switch self {
    case .none: "with a smaller beta, a model is an autoencoder; with a larger one, it collapses on most data"
    case .generation:
      "with a smaller beta, q(z) strays from the prior that samples are drawn from; with a larger one, samples lose detail"
    case .anomaly:
      "at 1, -ELBO bounds -log p(x) and is a score; with a larger beta, the reconstruction does not distinguish samples"
    case .disentanglement:
      "units become more independent at the cost of detail (Higgins et al., 2017, use 4)"
    }
  }
}

extension Configuration {
  /// A sentence about the beta of the task and its reason; nil without a task.
  package var taskText: String? {
    let task = objective.task
    guard let beta = task.beta else { return nil }
    if objective.betaSchedule.isControlled {
      return
        "\(task.rawValue): beta responds to training, as objective.beta.schedule is \(objective.betaSchedule.rawValue)"
    }
    let isOwn = objective.betaEnd == beta
    return "\(task.rawValue): objective.beta.end is \(objective.betaEnd, .decimal)"
      + (isOwn ? ": \(task.reason)" : ", as it was set")
  }
}
