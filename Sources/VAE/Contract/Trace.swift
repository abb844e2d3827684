import Autograd
import Layers

/// Where a group of latents comes from in a recording.
package enum LatentSource {
  /// Drawn from q(z | x).
  case posterior(Noise)
  /// Drawn from p(z).
  case prior(Noise)
  /// Given by the caller. (batch, units)
  case given(Tensor)
}

/// One group of latents as a recording has it.
package struct Latent {
  package let name: String
  /// nil where nothing was inferred.
  package let q: (any LatentDistribution)?
  package let p: any LatentDistribution
  /// (batch, units)
  package let z: Tensor
}

/// A term that a model adds to what training minimises, beside the bound.
package struct Penalty {
  package let name: String
  /// Nats, or whatever the weight makes nats of. (batch)
  package let perRow: Tensor
  package let weight: Float
}

/// What a recording of a model says of its latents. Models ask it for latents by name; whoever made it decides where they
/// come from, and afterwards reads rates, codes and importance weights.
///
/// Groups stand one behind another in the flat tensors (`z`, `code`, `rate`), in the order in which the model asked. What
/// is derived is recorded when it is first read, behind the model itself.
package final class Trace {
  package let scope: ParameterScope
  /// The prior of `model.prior`, for latents whose prior is not the model's own.
  package let prior: any Prior
  private let source: (String) -> LatentSource
  package private(set) var latents: [Latent] = []
  package private(set) var penalties: [Penalty] = []
  package var graph: Graph { scope.graph }

  /// - source: where the latents of a name come from.
  package init(in scope: ParameterScope, prior: any Prior, source: @escaping (String) -> LatentSource) {
    (self.scope, self.prior, self.source) = (scope, prior, source)
  }

  /// The latents of a name. -> (batch, units)
  ///
  /// - q: the posterior; nil where the model was recorded without x. - p: the prior.
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

  /// Adds `weight * perRow` to what training minimises. perRow (batch)
  package func penalty(_ name: String, _ perRow: Tensor, weight: Float) {
    penalties.append(Penalty(name: name, perRow: perRow, weight: weight))
  }

  /// Stream of the noise of a group. The group of a one-layer model draws from the stream that it always had.
  package static func stream(of name: String, prefix: String = "eps") -> String {
    name == "z" ? prefix : "\(prefix) \(name)"
  }

  // MARK: What was inferred

  /// All latents. (batch, units of all groups)
  package lazy var z: Tensor = graph.concatenate(latents.map(\.z))
  /// The points that stand for the posteriors. (batch, units of all groups)
  package lazy var code: Tensor = graph.concatenate(posteriors.map(\.code))
  /// Log variances, where every posterior is Gaussian. (batch, units of all groups)
  package lazy var logvar: Tensor? = {
    let gaussians = posteriors.compactMap(\.gaussian)
    return gaussians.count == latents.count ? graph.concatenate(gaussians.map(\.logvar)) : nil
  }()
  /// KL(q || p) of each group, nats, exact where it is known. (batch, units), or (batch, 1)
  package lazy var rates: [Tensor] = zip(posteriors, latents).map { $0.rate(against: $1.p, at: $1.z) }
  /// The rates of all groups side by side. (batch, columns of all groups)
  package lazy var rate: Tensor = graph.concatenate(rates)
  /// log p(z), nats. (batch)
  package lazy var logPrior: Tensor = sum(latents.map { (1, $0.p.logDensity($0.z)) })
  /// log p(z) - log q(z | x) at the draw, nats: with log p(x | z) it is the log importance weight. (batch)
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

  /// sum_k c_k sum_j x_kij. (batch)
  private func sum(_ terms: [(Float, Tensor)]) -> Tensor {
    let rows = terms.map { (graph.constant($0.0), graph.rowSum($0.1)) }
    return rows.count == 1 ? rows[0].1 : graph.weightedSum(rows)
  }
}
