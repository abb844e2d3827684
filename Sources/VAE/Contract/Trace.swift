import Autograd
import Layers

/// The source of a group of latents in a recording.
package enum LatentSource {
  /// A draw from q(z | x).
  case posterior(Noise)
  /// A draw from p(z).
  case prior(Noise)
  /// Values that the caller supplies. (batch, units)
  case given(Tensor)
}

/// One group of latents in a recording, with its posterior and prior.
package struct Latent {
  package let name: String
  /// The posterior; nil if nothing was inferred.
  package let q: (any LatentDistribution)?
  package let p: any LatentDistribution
  /// (batch, units)
  package let z: Tensor
}

/// A term that a model adds to the loss, in addition to the bound.
package struct Penalty {
  package let name: String
  /// One value per sample. The product with `weight` is in nats. (batch)
  package let perRow: Tensor
  package let weight: Float
}

/// Records the latents of a model. A model requests its latents from the trace by name, and the creator of the trace
/// decides where they come from. After the recording, the trace provides KL divergences, codes and importance weights.
///
/// In the flat tensors `z`, `code` and `rate`, the groups are concatenated in the order in which the model requested
/// them. A derived tensor is recorded when it is first read, after the operations of the model.
package final class Trace {
  package let scope: ParameterScope
  /// The prior chosen by `model.prior`, for latents that have no prior of their own in the model.
  package let prior: any Prior
  private let source: (String) -> LatentSource
  package private(set) var latents: [Latent] = []
  package private(set) var penalties: [Penalty] = []
  package var graph: Graph { scope.graph }

  /// - source: maps the name of a group to the source of its latents.
  package init(in scope: ParameterScope, prior: any Prior, source: @escaping (String) -> LatentSource) {
    (self.scope, self.prior, self.source) = (scope, prior, source)
  }

  /// Returns the latents of a group. (batch, units)
  ///
  /// - q: the posterior; nil if the model is recorded without x.
  /// - p: the prior.
  package func latent(_ name: String, q: (any LatentDistribution)?, p: any LatentDistribution) -> Tensor {
    precondition(!latents.contains { $0.name == name }, "two groups of latents are called \(name)")
    let z: Tensor
    switch source(name) {
    case .posterior(let noise):
      guard let q else { preconditionFailure("latents \(name) are to be inferred, and were recorded without x") }
      z = q.sample(noise)
    case .prior(let noise): z = p.sample(noise)
    case .given(let tensor): z = tensor
    }
    latents.append(Latent(name: name, q: q, p: p, z: z))
    return z
  }

  /// Adds `weight * perRow` to the loss. `perRow` has shape (batch).
  package func penalty(_ name: String, _ perRow: Tensor, weight: Float) {
    penalties.append(Penalty(name: name, perRow: perRow, weight: weight))
  }

  /// The noise stream of a group. The group `z` of one-layer models uses `prefix` alone.
  package static func stream(of name: String, prefix: String = "eps") -> String {
    name == "z" ? prefix : "\(prefix) \(name)"
  }

  // MARK: What was inferred

  /// The latents of all groups. (batch, units of all groups)
  package lazy var z: Tensor = graph.concatenate(latents.map(\.z))
  /// The points that represent the posteriors. (batch, units of all groups)
  package lazy var code: Tensor = graph.concatenate(posteriors.map(\.code))
  /// Log variances of the posteriors; nil if a posterior is not Gaussian. (batch, units of all groups)
  package lazy var logvar: Tensor? = {
    let gaussians = posteriors.compactMap(\.gaussian)
    return gaussians.count == latents.count ? graph.concatenate(gaussians.map(\.logvar)) : nil
  }()
  /// KL(q || p) of each group in nats; exact, or an estimate from the draw. (batch, units) or (batch, 1)
  package lazy var rates: [Tensor] = zip(posteriors, latents).map { $0.rate(against: $1.p, at: $1.z) }
  /// The KL columns of all groups, concatenated, in nats. (batch, columns of all groups)
  package lazy var rate: Tensor = graph.concatenate(rates)
  /// log p(z) in nats. (batch)
  package lazy var logPrior: Tensor = sum(latents.map { (1, $0.p.logDensity($0.z)) })
  /// log p(z) - log q(z | x) at the draw, in nats. Adding log p(x | z) gives the log importance weight. (batch)
  package lazy var logRatio: Tensor = sum(
    zip(posteriors, latents).flatMap { q, latent -> [(Float, Tensor)] in
      [(1, latent.p.logDensity(latent.z)), (-1, q.logDensity(latent.z))]
    })

  /// Whether every rate is an exact KL divergence.
  package var hasExactRates: Bool { zip(posteriors, latents).allSatisfy { $0.hasExactRate(against: $1.p) } }

  /// Whether every prior is N(0, I).
  package var hasStandardPrior: Bool { latents.allSatisfy { $0.p is StandardGaussian } }

  private var posteriors: [any LatentDistribution] {
    latents.map { latent in
      guard let q = latent.q else { preconditionFailure("latents \(latent.name) have no posterior in this recording") }
      return q
    }
  }

  /// Returns sum_k c_k sum_j x_kij for each row i. (batch)
  private func sum(_ terms: [(Float, Tensor)]) -> Tensor {
    let rows = terms.map { (graph.constant($0.0), graph.rowSum($0.1)) }
    return rows.count == 1 ? rows[0].1 : graph.weightedSum(rows)
  }
}
