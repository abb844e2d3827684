import Settings

/// What a model is for: picks the weight of the KL, and says why.
package enum ModelTask: String, CaseIterable, Sendable {
  case none, generation, anomaly, disentanglement

  /// nil: the preset's.
  package var beta: Double? {
    switch self {
    case .none: nil
    case .generation, .anomaly: 1
    case .disentanglement: 4
    }
  }

  /// Beyond it, beta is for something else.
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
    case .none: "with less, a model is an autoencoder; with more, most data collapses"
    case .generation:
      "with less, q(z) strays from the prior that samples are drawn from; with more, they lose detail"
    case .anomaly:
      "at 1 -ELBO bounds -log p(x), and is a score; with more, the reconstruction no longer tells samples apart"
    case .disentanglement:
      "units are pressed to be independent at the cost of detail (Higgins et al., 2017, use 4)"
    }
  }
}

extension Configuration {
  /// What beta the task has, and why; nil without a task.
  package var taskText: String? {
    let task = objective.task
    guard let beta = task.beta else { return nil }
    if objective.betaSchedule.isControlled {
      return "\(task.rawValue): beta answers to training, by objective.beta.schedule \(objective.betaSchedule.rawValue)"
    }
    let isOwn = objective.betaEnd == beta
    return "\(task.rawValue): objective.beta.end is \(decimalText(objective.betaEnd))"
      + (isOwn ? ": \(task.reason)" : ", as it was set")
  }
}
