import Autograd

/// A graph of the training objective: from x to latents, reconstruction term, KL and loss. Gradients are optional.
package struct ELBOGraph {
  package let graph: Graph
  /// (batch, elements)
  package let x: Tensor
  /// The condition; nil for an unconditional model. (batch, condition)
  package let y: Tensor?
  /// (batch, units)
  package let z: Tensor
  /// The points that represent the posteriors: the means, if they are Gaussian. (batch, units)
  package let code: Tensor
  /// Log variances of the posteriors; nil if a posterior is not Gaussian. (batch, units)
  package let logvar: Tensor?
  /// The location of the likelihood: the decoder's outputs for every pixel, such as logits or means.
  /// (batch, pixels * outputs)
  package let location: Tensor
  package let terms: Terms
}

/// The outputs that a scoring graph can compute.
package enum ScoringOutput: CaseIterable, Sendable {
  /// The points that represent the posteriors: the means, if they are Gaussian. (batch, units)
  case code
  /// Log variances of Gaussian posteriors. (batch, units)
  case logvar
  /// The draw of z from the posterior. (batch, units)
  case z
  /// KL for each column, in nats. For some priors it is an estimate from the draw. (batch, columns)
  case rate
  /// The sum of `rate` over columns, in nats. (batch)
  case kl
  /// -log p(x | z) in nats, summed over dimensions. (batch)
  case reconstruction
  /// log p(z) - log q(z | x) in nats. The log importance weight of the draw is this value minus `reconstruction`.
  /// (batch)
  case logRatio
  /// E[x | z]. (batch, elements)
  case mean
}

/// A graph that infers latents from x and scores each row independently.
package struct ScoringGraph {
  package let graph: Graph
  /// (batch, elements)
  package let x: Tensor
  /// The condition; nil for an unconditional model. (batch, condition)
  package let y: Tensor?
  let tensors: [ScoringOutput: Tensor]

  package subscript(_ output: ScoringOutput) -> Tensor {
    guard let tensor = tensors[output] else { preconditionFailure("a scoring graph was recorded without \(output)") }
    return tensor
  }

  /// All recorded outputs.
  package var outputs: [Tensor] { ScoringOutput.allCases.compactMap { tensors[$0] } }
}

/// The source of the latents in a generation graph.
package enum GenerationOrigin: Sendable {
  /// The input is standard normal noise, which the prior maps to z. (batch, noise columns)
  case prior
  /// The input is z. (batch, units)
  case latents
}

/// The outputs that a generation graph can compute.
package enum GenerationOutput: CaseIterable, Sendable {
  /// The latents. (batch, units)
  case z
  /// The location of the likelihood: the decoder's outputs for every pixel, such as logits or means.
  /// (batch, pixels * outputs)
  case location
  /// E[x | z]. (batch, elements)
  case mean
  /// x ~ p(x | z), keyed by sample. (batch, elements)
  case draw
  /// -log p(x | z) in nats for an x that the caller supplies. (batch)
  case reconstruction
  /// log p(z), or log p(z | y) of a conditional model, in nats. (batch)
  case logPrior
}

/// A graph that decodes latents and can evaluate the likelihood of a given x. The latents are given or drawn from the
/// prior.
package struct GenerationGraph {
  package let graph: Graph
  /// Noise (batch, noise columns), or z (batch, units).
  package let input: Tensor
  /// The condition; nil for an unconditional model. (batch, condition)
  package let y: Tensor?
  /// The sample to evaluate; nil unless `reconstruction` was requested. (batch, elements)
  package let x: Tensor?
  let tensors: [GenerationOutput: Tensor]

  package subscript(_ output: GenerationOutput) -> Tensor {
    guard let tensor = tensors[output] else {
      preconditionFailure("a generation graph was recorded without \(output)")
    }
    return tensor
  }
}
