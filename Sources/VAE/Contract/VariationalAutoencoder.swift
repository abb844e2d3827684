import Autograd
import Kernels
import Layers

/// A model, prior, likelihood and objective that share one parameter store. It records the graphs that training and
/// evaluation replay.
package final class VariationalAutoencoder {
  package let model: any LatentModel
  package let prior: any Prior
  package let likelihood: any Likelihood
  package let objective: Objective
  package let image: ImageShape
  private let missing: MissingValues
  /// Number of values that the model is conditioned on for each sample; 0 for an unconditional model.
  package let condition: Int
  package var elements: Int { image.count }
  package let store = ParameterStore()
  /// The groups of latents of the model.
  package let latents: LatentLayout
  /// Number of units of z, over all groups.
  package var latent: Int { latents.units }
  /// Whether the KL is exact. If not, it is an estimate from one draw of z.
  package let hasExactRates: Bool
  /// Whether the prior of every group is N(0, I).
  package let hasStandardPrior: Bool

  /// Makes the model by name from the registries.
  ///
  /// A first recording declares the parameters, which are then initialised from `seed`. `admit` is called before they
  /// are allocated, and may throw to reject the model. Throws if the settings, the likelihood and the objective do not
  /// fit together.
  package convenience init(
    _ settings: ModelSettings, among registries: Registries = Registries(), likelihood: any Likelihood,
    objective: Objective, seed: UInt64,
    admit: (VariationalAutoencoder) throws(Failure) -> Void = { _ throws(Failure) in }
  ) throws(Failure) {
    try self.init(
      settings, among: registries,
      make: { settings throws(Failure) in try registries.models.make(settings.kind, settings) },
      likelihood: likelihood, objective: objective, seed: seed, admit: admit)
  }

  /// Makes a model that is not in a registry.
  ///
  /// - make: makes the model. Its argument is `settings` with `outputs` set.
  package init(
    _ settings: ModelSettings, among registries: Registries = Registries(),
    make: (ModelSettings) throws(Failure) -> any LatentModel, likelihood: any Likelihood, objective: Objective,
    seed: UInt64,
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
        hint: "use smaller samples (data.image_size), or a model.likelihood that needs fewer values")
    }
    prior = try registries.priors.make(settings.prior, settings)
    model = try make(settings)
    self.likelihood = likelihood
    self.objective = objective
    image = settings.image
    missing = settings.missing
    condition = settings.condition
    let recorded = Recording(store, batch: 1, gradients: false, condition: settings.condition)
    let (x, trace, location) = recorded.inference(model, prior, missing, elements: settings.elements)
    latents = LatentLayout(trace)
    hasExactRates = trace.hasExactRates
    hasStandardPrior = trace.hasStandardPrior
    try objective.requireSuits(trace, latents, prior: settings.prior)
    _ = objective.record(x, location: location, trace, likelihood: likelihood, image: image)
    try admit(self)
    store.allocate(seed: seed)
  }

  // MARK: Graphs

  /// Returns a graph of the objective of one microbatch, ready to replay.
  ///
  /// - parameters: parameter values to use instead of the store's, in the same layout.
  package func elboGraph(
    batch: Int, gradients: Bool, parameters: UnsafeMutablePointer<Float>? = nil
  ) -> ELBOGraph {
    let recorded = recordELBO(batch: batch, gradients: gradients)
    recorded.graph.finalize(parameters: parameters ?? store.values)
    return recorded
  }

  /// Returns a graph that infers latents from x and scores them, ready to replay.
  ///
  /// - outputs: the outputs to record and keep.
  /// - stream: prefix of the noise streams for the draws of z.
  /// - redraws: whether `Graph.redraw` will request more draws for the same x.
  package func scoringGraph(
    batch: Int, _ outputs: Set<ScoringOutput>, stream: String = "eps", redraws: Bool = false
  ) -> ScoringGraph {
    let recorded = recordScoring(batch: batch, outputs, stream: stream)
    recorded.graph.redraws = redraws
    recorded.graph.finalize(parameters: store.values)
    return recorded
  }

  /// Returns a graph that decodes latents, which are given or drawn from the prior, ready to replay.
  ///
  /// - parameters: parameter values to use instead of the store's, in the same layout.
  package func generationGraph(
    batch: Int, from origin: GenerationOrigin, _ outputs: Set<GenerationOutput>,
    parameters: UnsafeMutablePointer<Float>? = nil
  ) -> GenerationGraph {
    let recorded = recordGeneration(batch: batch, from: origin, outputs)
    recorded.graph.finalize(parameters: parameters ?? store.values)
    return recorded
  }

  // MARK: Memory

  /// Memory of an `elboGraph` in bytes, computed without allocating it.
  package func elboBytes(batch: Int, gradients: Bool) -> Int {
    recordELBO(batch: batch, gradients: gradients).graph.bytes
  }

  /// Memory of a `scoringGraph` in bytes, computed without allocating it.
  package func scoringBytes(batch: Int, _ outputs: Set<ScoringOutput>) -> Int {
    recordScoring(batch: batch, outputs, stream: "eps").graph.bytes
  }

  /// Memory of a `generationGraph` in bytes, computed without allocating it.
  package func generationBytes(batch: Int, from origin: GenerationOrigin, _ outputs: Set<GenerationOutput>) -> Int {
    recordGeneration(batch: batch, from: origin, outputs).graph.bytes
  }

  /// The layers with parameters, in order: output shape for one sample, number of parameters, and multiply-adds per
  /// sample.
  package var layers: [(name: String, output: String, parameters: Int, multiplyAdds: Int)] {
    recordELBO(batch: 1, gradients: false).graph.layers.compactMap { layer in
      let name = layer.label.split(separator: " ")[0]
      let own = store.parameters.filter { $0.name.split(separator: ".").dropLast().joined(separator: ".") == name }
      guard !own.isEmpty else { return nil }
      let extents = layer.shape.dimensions.dropFirst().map(String.init).joined(separator: "x")
      return (String(name), extents, own.reduce(0) { $0 + $1.shape.count }, layer.multiplyAdds)
    }
  }

  // MARK: Recording

  private func recordELBO(batch: Int, gradients: Bool) -> ELBOGraph {
    let recorded = Recording(store, batch: batch, gradients: gradients, condition: condition)
    let (x, trace, location) = recorded.inference(model, prior, missing, elements: elements)
    let terms = objective.record(x, location: location, trace, likelihood: likelihood, image: image)
    recorded.graph.keep([terms.reconstruction, terms.bound.klPerUnit, terms.bound.kl, terms.loss, trace.z, trace.code])
    if let logvar = trace.logvar { recorded.graph.keep([logvar]) }
    return ELBOGraph(
      graph: recorded.graph, x: x, y: recorded.y, z: trace.z, code: trace.code, logvar: trace.logvar,
      location: location,
      terms: terms)
  }

  private func recordScoring(batch: Int, _ outputs: Set<ScoringOutput>, stream: String) -> ScoringGraph {
    let recorded = Recording(store, batch: batch, gradients: false, condition: condition), graph = recorded.graph
    let (x, trace, location) = recorded.inference(model, prior, missing, elements: elements, stream: stream)
    var tensors: [ScoringOutput: Tensor] = [:]
    for output in ScoringOutput.allCases where outputs.contains(output) {
      tensors[output] =
        switch output {
        case .code: trace.code
        case .logvar: trace.logvar
        case .z: trace.z
        case .rate: trace.rate
        case .kl: graph.rowSum(trace.rate)
        case .reconstruction:
          likelihood.negativeLogLikelihood(x, location: location, channels: image.channels, in: recorded.scope)
        case .logRatio: trace.logRatio
        case .mean: likelihood.mean(location: location, channels: image.channels, in: graph)
        }
    }
    graph.keep(Array(tensors.values))
    graph.dropUnneeded()
    return ScoringGraph(graph: graph, x: x, y: recorded.y, tensors: tensors)
  }

  private func recordGeneration(
    batch: Int, from origin: GenerationOrigin, _ outputs: Set<GenerationOutput>
  ) -> GenerationGraph {
    let recorded = Recording(store, batch: batch, gradients: false, condition: condition), graph = recorded.graph
    let input = recorded.input(origin == .prior ? latents.noiseColumns : latents.units)
    let trace = recorded.trace(prior) { [latents] name in
      guard let group = latents[name] else { preconditionFailure("latents \(name) are requested only in generation") }
      let isAlone = latents.groups.count == 1
      func part(_ columns: Range<Int>) -> Tensor { isAlone ? input : graph.columns(input, Array(columns)) }
      return switch origin {
      case .prior: .prior(.supplied(part(group.noise)))
      case .latents: .given(group.shaped(part(group.units), in: graph))
      }
    }
    let location = model.record(nil, given: recorded.y, in: trace)
    let x = outputs.contains(.reconstruction) ? recorded.input(elements) : nil
    var tensors: [GenerationOutput: Tensor] = [:]
    for output in GenerationOutput.allCases where outputs.contains(output) {
      tensors[output] =
        switch output {
        case .z: trace.z
        case .location: location
        case .mean: likelihood.mean(location: location, channels: image.channels, in: graph)
        case .draw:
          likelihood.sample(location: location, channels: image.channels, stream: "draw", in: recorded.scope)
        case .reconstruction:
          x.map {
            likelihood.negativeLogLikelihood($0, location: location, channels: image.channels, in: recorded.scope)
          }
        case .logPrior: trace.logPrior
        }
    }
    graph.keep(Array(tensors.values))
    graph.dropUnneeded()
    return GenerationGraph(graph: graph, input: input, y: recorded.y, x: x, tensors: tensors)
  }
}

/// A graph that is being recorded, with the inputs that every recording of a model has.
private struct Recording {
  let graph: Graph
  let scope: ParameterScope
  /// The condition; nil for an unconditional model. (batch, condition)
  let y: Tensor?

  init(_ store: ParameterStore, batch: Int, gradients: Bool, condition: Int) {
    graph = Graph(batch: batch, recordsGradients: gradients)
    scope = ParameterScope(graph: graph, store: store)
    y = condition > 0 ? graph.input([batch, condition]) : nil
  }

  func input(_ columns: Int) -> Tensor { graph.input([graph.batch, columns]) }

  func trace(_ prior: any Prior, source: @escaping (String) -> LatentSource) -> Trace {
    Trace(in: scope, prior: prior, source: source)
  }

  /// Records a model from the input x: its latents are drawn from their posteriors and decoded.
  ///
  /// - stream: prefix of the noise streams for the draws.
  func inference(
    _ model: any LatentModel, _ prior: any Prior, _ missing: MissingValues, elements: Int, stream: String = "eps"
  ) -> (x: Tensor, trace: Trace, location: Tensor) {
    let x = input(elements)
    let trace = trace(prior) { .posterior(.keyed(stream: Trace.stream(of: $0, prefix: stream))) }
    let seen = missing == .none ? x : graph.observed(x, masked: missing == .masked)
    return (x, trace, model.record(seen, given: y, in: trace))
  }
}
