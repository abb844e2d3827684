/// Anomaly scores of a row. A higher score is more anomalous.
package enum Score: String, CaseIterable, Codable, Sendable {
  /// Sum over elements of (x - E[x | z = mu])^2, in the model's scale.
  case squaredError = "squared_error"
  /// -log p(x | z = mu), nats.
  case nll
  /// Mean of -log p(x | z) + KL over draws of z, nats.
  case negativeELBO = "neg_elbo"
  /// KL(q(z | x) || p(z)), nats.
  case kl
  /// -log p(x), estimated with importance-weighted draws of z, nats.
  case likelihood

  /// Default number of draws of z, which are the same for every row; nil if the score is deterministic.
  package var defaultDraws: Int? {
    switch self {
    case .squaredError, .nll, .kl: nil
    case .negativeELBO: 16
    case .likelihood: 64
    }
  }

  package var meaning: String {
    switch self {
    case .squaredError: "squared error of E[x | z = mu]"
    case .nll: "-log p(x | z = mu), nats"
    case .negativeELBO: "-ELBO, nats"
    case .kl: "KL(q(z | x) || p(z)), nats"
    case .likelihood: "-log p(x), nats"
    }
  }
}
