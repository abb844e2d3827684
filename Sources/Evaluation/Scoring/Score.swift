/// What a row's anomaly score is: higher is more anomalous.
package enum Score: String, CaseIterable, Codable, Sendable {
  /// Sum over elements of (x - E[x | z = mu])^2, of x as the model sees it.
  case squaredError = "squared_error"
  /// -log p(x | z = mu), nats.
  case nll
  /// Mean over draws of z of -log p(x | z) + KL, nats.
  case negativeELBO = "neg_elbo"
  /// KL of the posterior from the prior, nats.
  case kl
  /// -log p(x) by importance-weighted draws of z, nats.
  case likelihood

  /// Draws of z, the same for every row; nil where the score needs none.
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
