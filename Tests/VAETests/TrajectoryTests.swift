import Autograd
import RunConfiguration
import Foundation
import Kernels
import Layers
import Optimizers
import Persistence
import TestSupport
import Testing
import Training
import VAE

/// Ten training steps of PyTorch, as in the file.
private struct Trajectory: Decodable {
  struct Model: Decodable {
    struct Convolution: Decodable { let image, channels: [Int], kernel, stride, padding: Int }
    let input: Int?
    let convolution: Convolution?
    let latent: Int
    /// Number of values of the condition of a sample.
    let condition: Int?
    let prior: String?
    let priorHidden: [Int]?
    let flowLayers: Int?
    let encoder, decoder: [Int]
    let logvarBound: Float
    let activation: String
  }
  struct Optimizer: Decodable {
    let name: String
    let betas: [Double]
    let eps, weightDecay: Double
  }
  struct Schedule: Decodable {
    let peak: Double?
    let warmup: Int?
  }
  struct Step: Decodable {
    let learningRate, recon, kl, loss, gradientNorm: Double
    let clipped: Bool
  }
  let model: Model
  let batch: Int
  let beta, clipNorm: Double
  let freeBits: Float?
  let optimizer: Optimizer
  let schedule: Schedule
  let steps: [Step]

  func settings(_ likelihood: any Likelihood) throws -> ModelSettings {
    var settings = ModelSettings()
    settings[.hidden] = model.encoder
    settings[.decoderHidden] = model.decoder
    settings.latent = model.latent
    settings.condition = model.condition ?? 0
    settings.prior = model.prior ?? settings.prior
    settings[.priorHidden] = model.priorHidden ?? settings[.priorHidden]
    settings[.flowLayers] = model.flowLayers ?? settings[.flowLayers]
    settings[.activation] = try #require(Activation(rawValue: model.activation))
    settings[.logvarLow] = -Double(model.logvarBound)
    settings[.logvarHigh] = Double(model.logvarBound)
    if let convolution = model.convolution {
      let image = convolution.image
      settings.kind = "conv"
      settings.image = ImageShape(rows: image[0], columns: image[1], channels: image[2])
      settings[.channels] = convolution.channels
      settings[.kernel] = convolution.kernel
      settings[.stride] = convolution.stride
      settings[.padding] = convolution.padding
    } else {
      settings.image = ImageShape(rows: 1, columns: try #require(model.input), channels: 1)
    }
    settings.outputs = likelihood.outputs(channels: settings.image.channels)
    return settings
  }
}

/// One case: the stem of a file, and a description of its contents.
struct TrajectoryCase: Sendable, CustomTestStringConvertible {
  let stem: String
  let likelihood: any Likelihood
  var testDescription: String { stem }
}

@Suite struct TrajectoryTests {
  @Test(
    "Ten steps equal those of PyTorch in every loss, gradient norm, gradient and final parameter",
    arguments: [
      TrajectoryCase(stem: "trajectory", likelihood: Bernoulli()),
      TrajectoryCase(stem: "trajectory-gaussian", likelihood: GaussianLearned()),
      TrajectoryCase(stem: "trajectory-conv", likelihood: Bernoulli()),
      TrajectoryCase(stem: "trajectory-conditional", likelihood: Bernoulli()),
      TrajectoryCase(stem: "trajectory-prior", likelihood: Bernoulli()),
      TrajectoryCase(stem: "trajectory-flow", likelihood: Bernoulli()),
    ])
  func tenSteps(trajectory: TrajectoryCase) throws {
    let reference = try fixture("\(trajectory.stem).json", as: Trajectory.self)
    let file = try SafetensorsFile(path: fixtures.appending(path: "\(trajectory.stem).safetensors").path)
    func values(_ prefix: String, _ parameter: Parameter) throws -> [Float] {
      try file.values(prefix + parameter.name, parameter.fileShape, parameter.layout)
    }

    // The model is recorded as in a run, except for its noise.
    let settings = try reference.settings(trajectory.likelihood), image = settings.image
    var objective = Objective()
    objective.freeBits = reference.freeBits ?? 0
    let batch = reference.batch
    let store = ParameterStore(), graph = Graph(batch: batch)
    let scope = ParameterScope(graph: graph, store: store)
    let x = graph.input([batch, settings.elements]), eps = graph.input([batch, settings.latent])
    let y = settings.condition > 0 ? graph.input([batch, settings.condition]) : nil
    let model = try ModelRegistry.all.make(settings.kind, settings)
    let trace = Trace(in: scope, prior: try PriorRegistry.all.make(settings.prior, settings)) { _ in
      .posterior(.supplied(eps))
    }
    let location = model.record(x, given: y, in: trace)
    let terms = objective.record(
      x, location: location, trace, likelihood: trajectory.likelihood, image: settings.image)
    graph.keep([terms.reconstruction, terms.bound.klPerUnit, terms.bound.kl, terms.loss])
    store.allocate(seed: 0)
    graph.finalize(parameters: store.values)
    let names = file.tensors.compactMap { $0.name.hasPrefix("initial.") ? String($0.name.dropFirst(8)) : nil }
    #expect(Set(names) == Set(store.parameters.map(\.name)))
    for parameter in store.parameters {
      let initial = try values("initial.", parameter)
      (store.values + parameter.offset).update(from: initial, count: initial.count)
    }

    // The schedule and the optimiser are those of a run.
    var configuration = Configuration()
    configuration.optimizer.kind = reference.optimizer.name
    configuration.optimizer.learningRate = reference.schedule.peak ?? reference.steps[0].learningRate
    configuration[.beta1] = reference.optimizer.betas[0]
    configuration[.beta2] = reference.optimizer.betas[1]
    configuration[.epsilon] = reference.optimizer.eps
    configuration[.weightDecay] = reference.optimizer.weightDecay
    configuration.optimizer.clipNorm = reference.clipNorm
    if let warmup = reference.schedule.warmup {
      configuration.schedule.kind = .warmupCosine
      configuration.schedule.warmupSteps = warmup
    }
    let rates = try RateSchedule(configuration, stepsPerEpoch: 10, totalSteps: reference.steps.count)
    let optimizer = try Optimizer(configuration.optimizerSettings, count: store.count)
    let gradients = Buffer(count: store.count)
    let seeds = [Float](repeating: 1 / Float(batch), count: batch)
    let weights = [Float](repeating: 1, count: batch)

    #expect(reference.steps.count == 10)
    for (step, expected) in reference.steps.enumerated() {
      let samples =
        try reference.model.convolution == nil
        ? file.values("step.\(step).x", x.shape.dimensions)
        : file.images("step.\(step).x", [batch, image.channels, image.rows, image.columns])
      graph[x].update(from: samples, count: x.count)
      graph[eps].update(from: try file.values("step.\(step).eps", eps.shape.dimensions), count: eps.count)
      if let y {
        graph[y].update(from: try file.values("step.\(step).y", y.shape.dimensions), count: y.count)
      }
      graph[terms.bound.beta][0] = Float(reference.beta)
      graph.forward()
      gradients.base.zero(gradients.count)
      graph.backward(from: terms.loss, seed: seeds, gradients: gradients.base)
      let norm = vd_sum_of_squares(gradients.base, gradients.count).squareRoot()
      let rate = rates.value(at: step), scale = optimizer.clipFactor(norm: norm)
      func mean(_ tensor: Tensor) -> Double { vd_weighted_sum(graph[tensor], weights, batch) / Double(batch) }
      // Both sides round in float32, and ten updates of 1e-2 accumulate a few of these roundings.
      for (name, ours, theirs) in [
        ("reconstruction", mean(terms.reconstruction), expected.recon), ("KL", mean(terms.bound.kl), expected.kl),
        ("loss", mean(terms.loss), expected.loss), ("gradient norm", norm, expected.gradientNorm),
      ] {
        #expect(abs(ours - theirs) <= 1e-5 * abs(theirs), "step \(step): \(name) \(ours), PyTorch's \(theirs)")
      }
      #expect(abs(rate - expected.learningRate) <= 1e-12 * expected.learningRate)
      #expect((scale < 1) == expected.clipped)
      for parameter in store.parameters where [0, 4, 9].contains(step) {
        let theirs = try values("step.\(step).gradient.", parameter)
        let largest = theirs.reduce(1e-6) { max($0, abs($1)) }
        for (i, gradient) in theirs.enumerated() {
          let ours = gradients.base[parameter.offset + i]
          #expect(abs(ours - gradient) <= 1e-5 * largest, "step \(step): gradient \(i) of \(parameter.name)")
        }
      }
      optimizer.step(store.values, gradient: gradients.base, rate: rate, scale: scale, update: step + 1)
    }
    for parameter in store.parameters {
      let theirs = try values("final.", parameter)
      // If a gradient is near 0, Adam divides noise by noise, which is a small part of an update of at most 1e-2.
      for (i, value) in theirs.enumerated() {
        let ours = store.values[parameter.offset + i]
        #expect(abs(ours - value) <= 1e-5 * max(1, abs(value)), "final \(parameter.name), element \(i)")
      }
    }
  }
}

@Suite struct DistributionTests {
  private struct Values: Decodable {
    struct KL: Decodable { let mu, logvar: [Float], result: [Double] }
    struct Bernoulli: Decodable { let logit, target: [Float], result: [Double] }
    struct Gaussian: Decodable { let x, mean, logSigma: [Float], result: [Double] }
    let kl: KL
    let bernoulli: Bernoulli
    let gaussian: Gaussian
  }

  /// Records one density over single elements, fills its inputs and returns its values.
  private func evaluate(_ columns: [[Float]], _ record: (Graph, [Tensor]) -> Tensor) -> [Double] {
    let graph = Graph(batch: columns[0].count, recordsGradients: false)
    let inputs = columns.map { _ in graph.input([columns[0].count, 1]) }
    let y = record(graph, inputs)
    let none = Buffer(count: 0)
    graph.finalize(parameters: none.base)
    for (tensor, values) in zip(inputs, columns) { graph[tensor].update(from: values, count: values.count) }
    graph.forward()
    return (0..<y.count).map { Double(graph[y][$0]) }
  }

  @Test("KL, Bernoulli and Gaussian equal those of torch.distributions")
  func densities() throws {
    let values = try fixture("distributions.json", as: Values.self)
    let kl = values.kl
    for (i, ours) in evaluate([kl.mu, kl.logvar], { $0.gaussianKL(mu: $1[0], logvar: $1[1]) }).enumerated() {
      // exp(l) - 1 - l + mu^2 rounds like its largest term.
      let largest = max(1, exp(Double(kl.logvar[i])), Double(abs(kl.logvar[i])), Double(kl.mu[i] * kl.mu[i]))
      #expect(abs(ours - kl.result[i]) <= 2 * ulp * largest, "KL(\(kl.mu[i]), \(kl.logvar[i])) = \(ours)")
    }
    let bernoulli = values.bernoulli
    let losses = evaluate([bernoulli.target, bernoulli.logit]) { $0.bernoulli($1[0], logits: $1[1]) }
    for (i, ours) in losses.enumerated() {
      // softplus(l) - l x has three roundings each, and exp(-|l|) is at least exp(-87) = 1.65e-38. The reference is a
      // difference of two numbers of size |l| in float64.
      let product = Double(abs(bernoulli.logit[i] * bernoulli.target[i]))
      let tolerance =
        3 * ulp * (abs(bernoulli.result[i]) + product) + 1.7e-38
        + Double(abs(bernoulli.logit[i])) * Double.ulpOfOne
      #expect(
        abs(ours + bernoulli.result[i]) <= tolerance, "log p(\(bernoulli.target[i]) | \(bernoulli.logit[i])) = \(-ours)"
      )
    }
    let gaussian = values.gaussian
    for i in gaussian.x.indices {
      let ours = evaluate([[gaussian.x[i]], [gaussian.mean[i]]]) { graph, x in
        graph.gaussian(x[0], mean: x[1], logSigma: graph.constant(gaussian.logSigma[i]))
      }[0]
      let s = Double(gaussian.logSigma[i]), d = Double(gaussian.x[i]) - Double(gaussian.mean[i])
      // d^2 / (2 sigma^2) has the roundings of an exponential and a square, and the rest is of order log sigma.
      let tolerance = 6 * ulp * (d * d / (2 * exp(2 * s)) + abs(s) + 1)
      #expect(
        abs(ours + gaussian.result[i]) <= tolerance, "x \(gaussian.x[i]), mean \(gaussian.mean[i]), log sigma \(s)")
    }
  }
}
