import Autograd
import Kernels
import Layers

/// Model, prior, likelihood and objective over one parameter store; makes the graphs that training and evaluation replay.
package final class VariationalAutoencoder {
  package let model: any VariationalModel
  package let prior: any Prior
  package let likelihood: any Likelihood
  package let objective: Objective
  package let image: ImageShape
  private let missing: MissingValues
  /// Numbers that the model is told of a sample, 0 of one that is told nothing.
  package let condition: Int
  package var elements: Int { image.count }
  package let store = ParameterStore()

  /// Parameters are declared by recording once, and initialised from `seed`. `admit` is asked before they get memory.
  package init(
    _ settings: ModelSettings, likelihood: any Likelihood, objective: Objective, seed: UInt64,
    admit: (VariationalAutoencoder) throws(Failure) -> Void = { _ throws(Failure) in }
  ) throws(Failure) {
    try likelihood.requireSuits(settings.image)
    if objective.perceptual > 0, min(settings.image.rows, settings.image.columns) < 3 {
      throw Failure(
        .badConfiguration, "objective.perceptual compares pictures, and samples are \(settings.image)",
        hint: "use images of at least 3x3, or objective.perceptual: 0.0")
    }
    var settings = settings
    settings.outputs = likelihood.outputs(channels: settings.image.channels)
    guard max(settings.elements, settings.pixels * settings.outputs) <= Int32.max else {
      throw Failure(
        .badConfiguration,
        "samples are \(settings.image), with \(settings.outputs) values of the decoder for each pixel: 2^31 or more",
        hint: "smaller samples (data.image_size), or a model.likelihood that wants fewer values")
    }
    prior = try PriorRegistry.make(settings)
    try objective.requireSuits(prior, called: settings.prior)
    model = try ModelRegistry.make(settings)
    self.likelihood = likelihood
    self.objective = objective
    image = settings.image
    missing = settings.missing
    condition = settings.condition
    _ = recordELBO(batch: 1, gradients: false)
    try admit(self)
    store.allocate(seed: seed)
  }

  /// Memory of an `elboGraph`, without making it.
  package func arenaBytes(batch: Int, gradients: Bool) -> Int {
    recordELBO(batch: batch, gradients: gradients).graph.bytes
  }

  /// Memory of a `decoderGraph`, without making it.
  package func decoderArenaBytes(batch: Int) -> Int { recordDecoder(batch: batch).graph.bytes }

  /// Memory of a `priorGraph`, without making it.
  package func priorArenaBytes(batch: Int) -> Int { recordPrior(batch: batch).graph.bytes }

  /// Memory of an `encoderGraph` and a `conditionalGraph`, without making them.
  package func estimationArenaBytes(batch: Int) -> Int {
    recordEncoder(batch: batch).graph.bytes + recordConditional(batch: batch).graph.bytes
  }

  /// The layers with parameters, in order: what comes out for one sample, how many they are, and its multiply-adds.
  package var layers: [(name: String, output: String, parameters: Int, multiplyAdds: Int)] {
    recordELBO(batch: 1, gradients: false).graph.layers.compactMap { layer in
      let name = layer.label.split(separator: " ")[0]
      let own = store.parameters.filter { $0.name.split(separator: ".").dropLast().joined(separator: ".") == name }
      guard !own.isEmpty else { return nil }
      let extents = layer.shape.dimensions.dropFirst().map(String.init).joined(separator: "x")
      return (String(name), extents, own.reduce(0) { $0 + $1.shape.count }, layer.multiplyAdds)
    }
  }

  /// The whole ELBO of a microbatch, ready to replay. `parameters`: other values than the store's, laid out as they are.
  package func elboGraph(
    batch: Int, gradients: Bool, parameters: UnsafeMutablePointer<Float>? = nil
  ) -> ELBOGraph {
    let recorded = recordELBO(batch: batch, gradients: gradients)
    recorded.graph.finalize(parameters: parameters ?? store.values)
    return recorded
  }

  /// The decoder alone, ready to replay. `draws`: gives x ~ p(x | z) instead of E[x | z].
  package func decoderGraph(
    batch: Int, draws: Bool = false, parameters: UnsafeMutablePointer<Float>? = nil
  ) -> DecoderGraph {
    let recorded = recordDecoder(batch: batch, draws: draws)
    recorded.graph.finalize(parameters: parameters ?? store.values)
    return recorded
  }

  /// The encoder alone, ready to replay.
  package func encoderGraph(batch: Int) -> EncoderGraph {
    let recorded = recordEncoder(batch: batch)
    recorded.graph.finalize(parameters: store.values)
    return recorded
  }

  /// What anomaly scores are made of, ready to replay.
  package func scoringGraph(batch: Int) -> ScoringGraph {
    let graph = Graph(batch: batch, recordsGradients: false)
    let scope = ParameterScope(graph: graph, store: store)
    let x = graph.input([batch, elements]), y = conditionInput(of: graph)
    let inference = model.infer(
      seen(x, in: graph), given: y, prior: prior, noise: { .keyed(stream: $0) }, in: scope)
    let recorded = ScoringGraph(
      graph: graph, x: x, y: y, inference: inference,
      reconstruction: likelihood.negativeLogLikelihood(
        x, location: inference.location, channels: image.channels, in: scope),
      kl: graph.rowSum(graph.concatenate(inference.divergences)),
      logPrior: graph.rowSum(prior.logDensity(inference.z, given: y, in: scope["prior"])),
      mean: likelihood.mean(location: inference.location, channels: image.channels, in: graph))
    graph.keep([inference.z, inference.posterior.mu, inference.posterior.logvar])
    graph.keep([recorded.reconstruction, recorded.kl, recorded.logPrior, recorded.mean])
    graph.finalize(parameters: store.values)
    return recorded
  }

  /// z of the prior from noise, ready to replay.
  package func priorGraph(batch: Int, parameters: UnsafeMutablePointer<Float>? = nil) -> PriorGraph {
    let recorded = recordPrior(batch: batch)
    recorded.graph.finalize(parameters: parameters ?? store.values)
    return recorded
  }

  /// -log p(x | z) and log p(z) of latents that the caller gives, ready to replay.
  package func conditionalGraph(batch: Int) -> ConditionalGraph {
    let recorded = recordConditional(batch: batch)
    recorded.graph.finalize(parameters: store.values)
    return recorded
  }

  /// What the encoder sees of x.
  private func seen(_ x: Tensor, in graph: Graph) -> Tensor {
    missing == .none ? x : graph.observed(x, masked: missing == .masked)
  }

  private func recordEncoder(batch: Int) -> EncoderGraph {
    let graph = Graph(batch: batch, recordsGradients: false)
    let x = graph.input([batch, elements]), y = conditionInput(of: graph)
    let inference = model.infer(
      seen(x, in: graph), given: y, prior: prior, noise: { .keyed(stream: $0) },
      in: ParameterScope(graph: graph, store: store))
    let posterior = inference.posterior, kl = graph.concatenate(inference.divergences)
    graph.keep([posterior.mu, posterior.logvar, kl])
    graph.dropUnneeded()
    return EncoderGraph(graph: graph, x: x, y: y, posterior: posterior, kl: kl)
  }

  private func recordConditional(batch: Int) -> ConditionalGraph {
    let graph = Graph(batch: batch, recordsGradients: false)
    let scope = ParameterScope(graph: graph, store: store)
    let z = graph.input([batch, model.latent]), x = graph.input([batch, elements]), y = conditionInput(of: graph)
    let reconstruction = likelihood.negativeLogLikelihood(
      x, location: model.decode(z, given: y, in: scope), channels: image.channels, in: scope)
    let density = graph.rowSum(prior.logDensity(z, given: y, in: scope["prior"]))
    graph.keep([reconstruction, density])
    return ConditionalGraph(graph: graph, z: z, x: x, y: y, reconstruction: reconstruction, logPrior: density)
  }

  private func recordPrior(batch: Int) -> PriorGraph {
    let graph = Graph(batch: batch, recordsGradients: false)
    let noise = graph.input([batch, model.latent]), y = conditionInput(of: graph)
    let z = prior.draw(noise, given: y, in: ParameterScope(graph: graph, store: store)["prior"])
    graph.keep([z])
    return PriorGraph(graph: graph, noise: noise, y: y, z: z)
  }

  private func recordDecoder(batch: Int, draws: Bool = false) -> DecoderGraph {
    let graph = Graph(batch: batch, recordsGradients: false)
    let scope = ParameterScope(graph: graph, store: store)
    let z = graph.input([batch, model.latent]), y = conditionInput(of: graph)
    let location = model.decode(z, given: y, in: scope)
    let mean =
      draws
      ? likelihood.sample(location: location, channels: image.channels, stream: "draw", in: scope)
      : likelihood.mean(location: location, channels: image.channels, in: graph)
    graph.keep([mean])
    return DecoderGraph(graph: graph, z: z, y: y, mean: mean)
  }

  private func recordELBO(batch: Int, gradients: Bool) -> ELBOGraph {
    let graph = Graph(batch: batch, recordsGradients: gradients)
    let scope = ParameterScope(graph: graph, store: store)
    let x = graph.input([batch, elements]), y = conditionInput(of: graph)
    let inference = model.infer(
      seen(x, in: graph), given: y, prior: prior, noise: { .keyed(stream: $0) }, in: scope)
    let terms = objective.record(x, inference, likelihood: likelihood, image: image, in: scope)
    graph.keep([inference.z, inference.posterior.mu, inference.posterior.logvar])
    return ELBOGraph(graph: graph, x: x, y: y, inference: inference, terms: terms)
  }

  private func conditionInput(of graph: Graph) -> Tensor? {
    condition > 0 ? graph.input([graph.batch, condition]) : nil
  }
}

/// x -> posterior, reconstruction and KL, with gradients if recorded so.
package struct ELBOGraph {
  package let graph: Graph
  /// (batch, elements)
  package let x: Tensor
  /// What the model is told; nil where it is told nothing. (batch, condition)
  package let y: Tensor?
  package let inference: Inference
  package let terms: Terms
}

/// x -> posterior, -log p(x | z), KL, log p(z) and E[x | z], each of a row alone.
package struct ScoringGraph {
  package let graph: Graph
  /// (batch, elements)
  package let x: Tensor
  /// (batch, condition)
  package let y: Tensor?
  package let inference: Inference
  /// Nats, summed over dimensions. (batch)
  package let reconstruction: Tensor
  /// (batch)
  package let kl: Tensor
  /// log p(z), or log p(z | y). Nats. (batch)
  package let logPrior: Tensor
  /// (batch, elements)
  package let mean: Tensor
}

/// x -> posterior and its KL to the prior.
package struct EncoderGraph {
  package let graph: Graph
  /// (batch, elements)
  package let x: Tensor
  /// (batch, condition)
  package let y: Tensor?
  package let posterior: DiagonalGaussian
  /// KL to the prior by unit, nats; of some priors an estimate by one draw. (batch, latent)
  package let kl: Tensor
}

/// z -> E[x | z], or x ~ p(x | z).
package struct DecoderGraph {
  package let graph: Graph
  /// (batch, latent)
  package let z: Tensor
  /// (batch, condition)
  package let y: Tensor?
  /// Or the draw. (batch, elements)
  package let mean: Tensor
}

/// Noise u ~ N(0, I) -> z of the prior.
package struct PriorGraph {
  package let graph: Graph
  /// (batch, latent)
  package let noise: Tensor
  /// (batch, condition)
  package let y: Tensor?
  /// (batch, latent)
  package let z: Tensor
}

/// z, x -> -log p(x | z), log p(z).
package struct ConditionalGraph {
  package let graph: Graph
  /// (batch, latent)
  package let z: Tensor
  /// (batch, elements)
  package let x: Tensor
  /// (batch, condition)
  package let y: Tensor?
  /// Nats, summed over dimensions. (batch)
  package let reconstruction: Tensor
  /// log p(z), or log p(z | y). Nats. (batch)
  package let logPrior: Tensor
}
