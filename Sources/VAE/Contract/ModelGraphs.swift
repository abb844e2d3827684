import Autograd

/// x -> latents, reconstruction and KL, with gradients if recorded so.
package struct ELBOGraph {
  package let graph: Graph
  /// (batch, elements)
  package let x: Tensor
  /// What the model is conditioned on; nil of an unconditional model. (batch, condition)
  package let y: Tensor?
  /// (batch, units)
  package let z: Tensor
  /// Means of the posterior, or whatever point stands for it. (batch, units)
  package let code: Tensor
  /// nil where a posterior is not Gaussian. (batch, units)
  package let logvar: Tensor?
  /// What the likelihood wants of every pixel: logits, mean, ... (batch, pixels * outputs)
  package let location: Tensor
  package let terms: Terms
}

/// What a scoring graph says of x.
package enum ScoringOutput: CaseIterable, Sendable {
  /// Means of the posterior, or whatever point stands for it. (batch, units)
  case code
  /// Of Gaussian posteriors. (batch, units)
  case logvar
  /// The draw. (batch, units)
  case z
  /// KL by unit, nats; of some priors an estimate from the draw. (batch, columns)
  case rate
  /// Sum of the rate. (batch)
  case kl
  /// -log p(x | z), nats, summed over dimensions. (batch)
  case reconstruction
  /// log p(z) - log q(z | x), nats; with -reconstruction added, the log importance weight of the draw. (batch)
  case logRatio
  /// E[x | z]. (batch, elements)
  case mean
}

/// x -> what inference and the decoder say of it, each row alone.
package struct ScoringGraph {
  package let graph: Graph
  /// (batch, elements)
  package let x: Tensor
  /// (batch, condition)
  package let y: Tensor?
  let tensors: [ScoringOutput: Tensor]

  package subscript(_ output: ScoringOutput) -> Tensor {
    guard let tensor = tensors[output] else { preconditionFailure("a scoring graph was recorded without \(output)") }
    return tensor
  }

  /// Everything that was asked for.
  package var outputs: [Tensor] { ScoringOutput.allCases.compactMap { tensors[$0] } }
}

/// Where a generation graph has its latents from.
package enum GenerationOrigin: Sendable {
  /// The input is standard normal noise, which the prior turns into z. (batch, noise columns)
  case prior
  /// The input is z. (batch, units)
  case latents
}

/// What a generation graph makes of its latents.
package enum GenerationOutput: CaseIterable, Sendable {
  /// (batch, units)
  case z
  /// What the likelihood wants of every pixel: logits, mean, ... (batch, pixels * outputs)
  case location
  /// E[x | z]. (batch, elements)
  case mean
  /// x ~ p(x | z), keyed by sample. (batch, elements)
  case draw
  /// -log p(x | z) of an x that the caller gives, nats. (batch)
  case reconstruction
  /// log p(z), or log p(z | y), nats. (batch)
  case logPrior
}

/// Noise of the prior, or z -> x, and what the likelihood says of a given x.
package struct GenerationGraph {
  package let graph: Graph
  /// Noise (batch, noise columns), or z (batch, units).
  package let input: Tensor
  /// (batch, condition)
  package let y: Tensor?
  /// Where `reconstruction` was asked for. (batch, elements)
  package let x: Tensor?
  let tensors: [GenerationOutput: Tensor]

  package subscript(_ output: GenerationOutput) -> Tensor {
    guard let tensor = tensors[output] else {
      preconditionFailure("a generation graph was recorded without \(output)")
    }
    return tensor
  }
}
