import Autograd
import Kernels
import Testing
import VAE

private func settings(_ change: (inout ModelSettings) -> Void = { _ in }) -> ModelSettings {
  var settings = ModelSettings()
  settings[.hidden] = [16, 8]
  settings.latent = 3
  settings.image = ImageShape(rows: 1, columns: 12, channels: 1)
  change(&settings)
  return settings
}

/// Losses of the samples of a batch, with the posterior mean or drawn noise, in training or outside of it.
private func losses(_ autoencoder: VariationalAutoencoder, isTraining: Bool, drawsLatents: Bool = false) -> [Float] {
  let batch = 5, elbo = autoencoder.elboGraph(batch: batch, gradients: false), graph = elbo.graph
  for i in 0..<elbo.x.count { graph[elbo.x][i] = Float(i % 7) / 7 }
  graph[elbo.terms.bound.beta][0] = 1
  let replay: Replay = isTraining ? .drawn() : .evaluation(sampleNumbers, seed: 0)
  graph.forward(drawsLatents ? replay : replay.atMean)
  return (0..<batch).map { graph[elbo.terms.loss][$0] }
}

private func make(
  _ settings: ModelSettings, _ likelihood: any Likelihood = Bernoulli(), _ objective: Objective = Objective(),
  seed: UInt64 = 1
) throws -> VariationalAutoencoder {
  try VariationalAutoencoder(settings, likelihood: likelihood, objective: objective, seed: seed)
}

@Suite struct ModelTests {
  @Test("Names and shapes are those of PyTorch, and the decoder mirrors the encoder by default")
  func names() throws {
    let mirrored = try make(settings(), GaussianLearned()).store.parameters
    #expect(
      mirrored.map { "\($0.name) \($0.shape)" } == [
        "encoder.0.weight (16, 12)", "encoder.0.bias (16)", "encoder.1.weight (8, 16)", "encoder.1.bias (8)",
        "mu.weight (3, 8)", "mu.bias (3)", "logvar.weight (3, 8)", "logvar.bias (3)",
        "decoder.0.weight (8, 3)", "decoder.0.bias (8)", "decoder.1.weight (16, 8)", "decoder.1.bias (16)",
        "output.weight (12, 16)", "output.bias (12)", "likelihood.log_sigma (1)",
      ])
    let own = try make(settings { $0[.decoderHidden] = [5] }).store.parameters.map { "\($0.name) \($0.shape)" }
    #expect(own.contains("decoder.0.weight (5, 3)") && own.contains("output.weight (12, 5)"))
    #expect(!own.contains { $0.hasPrefix("decoder.1") || $0.hasPrefix("likelihood") })
    let linear = try make(settings { $0[.hidden] = [] }).store.parameters.map { "\($0.name) \($0.shape)" }
    #expect(linear.contains("mu.weight (3, 12)") && linear.contains("output.weight (12, 3)") && linear.count == 6)
  }

  @Test("Dropout is active in training and not in evaluation")
  func dropout() throws {
    let with = try make(settings { $0[.dropout] = 0.5 }), without = try make(settings())
    #expect(losses(with, isTraining: false) == losses(without, isTraining: false))
    #expect(losses(with, isTraining: true) != losses(without, isTraining: true))
    #expect(losses(without, isTraining: true) == losses(without, isTraining: false))
  }

  @Test("The posterior mean does not depend on noise, and noise changes the loss of every sample")
  func noise() throws {
    let model = try make(settings())
    let mean = losses(model, isTraining: false), drawn = losses(model, isTraining: false, drawsLatents: true)
    #expect(zip(mean, drawn).allSatisfy { $0 != $1 })
    #expect(losses(model, isTraining: false, drawsLatents: true) == drawn)
  }

  @Test(
    "The graphs of the encoder and the decoder give the values of the whole graph",
    arguments: LikelihoodRegistry.all.names)
  func decoder(likelihood name: String) throws {
    let likelihood = try LikelihoodRegistry.all.make(name, LikelihoodSettings())
    let model = try make(settings { $0[.dropout] = 0.3 }, likelihood)
    let elbo = model.elboGraph(batch: 4, gradients: false), encoder = model.scoringGraph(batch: 4, [.code, .logvar])
    let decoder = model.generationGraph(batch: 4, from: .latents, [.mean])
    let conditional = model.generationGraph(batch: 4, from: .latents, [.reconstruction])
    let seen = try #require(conditional.x)
    for i in 0..<elbo.x.count {
      let value = Float(i % 5 * 51) / 255
      (elbo.graph[elbo.x][i], encoder.graph[encoder.x][i], conditional.graph[seen][i]) = (value, value, value)
    }
    elbo.graph.forward(.evaluation(sampleNumbers, seed: 0))
    decoder.graph[decoder.input].update(from: elbo.graph[elbo.z], count: decoder.input.count)
    decoder.graph.forward(.deterministic)
    conditional.graph[conditional.input].update(from: elbo.graph[elbo.z], count: decoder.input.count)
    conditional.graph.forward(.deterministic)
    encoder.graph.forward(.deterministic)
    func values(_ graph: Graph, _ tensor: Tensor) -> [Float] { (0..<tensor.count).map { graph[tensor][$0] } }
    let spread = try #require(elbo.logvar)
    #expect(values(encoder.graph, encoder[.code]) == values(elbo.graph, elbo.code))
    #expect(values(encoder.graph, encoder[.logvar]) == values(elbo.graph, spread))
    #expect(
      values(conditional.graph, conditional[.reconstruction]) == values(elbo.graph, elbo.terms.reconstruction))
    let isUnit = values(decoder.graph, decoder[.mean]).allSatisfy { $0 > 0 && $0 < 1 }
    #expect(isUnit || likelihood.support == .real)
    #expect(decoder[.mean].shape == elbo.x.shape)
    // The memory of the encoder does not include the decoder.
    #expect(encoder.graph.bytes < elbo.graph.bytes)
  }

  @Test("beta, free bits and the reduction change the loss but not the reported terms")
  func objective() throws {
    func terms(_ objective: Objective, beta: Float) throws -> (
      recon: [Float], kl: [Float], perUnit: [Float], loss: [Float]
    ) {
      let model = try make(settings(), Bernoulli(), objective)
      let elbo = model.elboGraph(batch: 5, gradients: false), graph = elbo.graph
      for i in 0..<elbo.x.count { graph[elbo.x][i] = Float(i % 7) / 7 }
      graph[elbo.terms.bound.beta][0] = beta
      graph.forward(.drawn())
      func values(_ tensor: Tensor) -> [Float] { (0..<tensor.count).map { graph[tensor][$0] } }
      return (
        values(elbo.terms.reconstruction), values(elbo.terms.bound.kl), values(elbo.terms.bound.klPerUnit),
        values(elbo.terms.loss)
      )
    }
    let plain = try terms(Objective(), beta: 0.25)
    var objective = Objective()
    objective.reduction = .mean
    objective.freeBits = 0.1
    let limited = try terms(objective, beta: 2)
    #expect(plain.recon == limited.recon && plain.kl == limited.kl && plain.perUnit == limited.perUnit)
    #expect(plain.perUnit.contains { $0 < 0.1 })
    for i in 0..<5 {
      let units = plain.perUnit[i * 3..<i * 3 + 3]
      #expect(abs(plain.kl[i] - units.reduce(0, +)) <= 2 * Float.ulpOfOne * plain.kl[i])
      let expected = plain.recon[i] + 0.25 * plain.kl[i]
      #expect(abs(plain.loss[i] - expected) <= 2 * Float.ulpOfOne * expected)
      let mean = plain.recon[i] / 12 + 2 * units.reduce(0) { $0 + max($1, 0.1) }
      #expect(abs(limited.loss[i] - mean) <= 4 * Float.ulpOfOne * mean)
    }
  }

  @Test("logvar stays within its bounds for weights of any size, so that nothing overflows")
  func logvarBounds() throws {
    let model = try make(settings { ($0[.logvarLow], $0[.logvarHigh]) = (-4, 2) })
    let parameter = try #require(model.store["logvar.weight"])
    for (i, place) in parameter.range.enumerated() { model.store.values[place] = i / 8 % 2 == 0 ? 1e6 : -1e6 }
    let elbo = model.elboGraph(batch: 5, gradients: false)
    for i in 0..<elbo.x.count { elbo.graph[elbo.x][i] = Float(i % 7) / 7 }
    elbo.graph.forward(.drawn())
    let logvar = try #require(elbo.logvar)
    let values = (0..<logvar.count).map { elbo.graph[logvar][$0] }
    #expect(values.min() == -4 && values.max() == 2)
    #expect(elbo.graph.firstNonFinite(inputs: [elbo.x]) == nil)
  }

  @Test("Initial weights depend on the seed and not on the batch size")
  func seeds() throws {
    #expect(try make(settings(), seed: 7).store.digest() == make(settings(), seed: 7).store.digest())
    #expect(try make(settings(), seed: 7).store.digest() != make(settings(), seed: 8).store.digest())
  }

  @Test(
    "Convolutions of samples that are not images, or that are too large, are refused before they are recorded",
    arguments: [
      (ImageShape(rows: 1, columns: 30, channels: 1), [8], "not images"),
      (ImageShape(rows: 40_000, columns: 40_000, channels: 1), [8], "from 40000x40000x1 to 20000x20000x8"),
      (
        ImageShape(rows: 10_000, columns: 10_000, channels: 3), [4, 512],
        "convolution 2 of model.channels, from 5000x5000x4"
      ),
      (ImageShape(rows: 4_096, columns: 4_096, channels: 3), [4, 2_100], "from 2048x2048x4 to 1024x1024x2100"),
    ])
  func convolutionLimits(image: ImageShape, channels: [Int], text: String) {
    #expect {
      _ = try make(
        settings {
          $0.kind = "conv"
          $0.image = image
          $0[.channels] = channels
        })
    } throws: { error in
      guard let failure = error as? Failure else { return false }
      return failure.status == .badConfiguration && failure.message.contains(text) && failure.hint != nil
    }
  }

  @Test("Samples or decoder outputs with 2^31 or more values are refused")
  func sampleLimits() {
    for (columns, likelihood) in [(1 << 31, Bernoulli()), (1 << 30, GaussianPixel())] as [(Int, any Likelihood)] {
      #expect {
        _ = try make(settings { $0.image = ImageShape(rows: 1, columns: columns, channels: 1) }, likelihood)
      } throws: { error in
        (error as? Failure)?.status == .badConfiguration && "\(error)".contains("2^31 or more")
      }
    }
  }

  @Test("An unknown model is refused with the list of known models")
  func unknownModel() {
    #expect {
      _ = try make(settings { $0.kind = "transformer" })
    } throws: { error in
      guard let failure = error as? Failure else { return false }
      return failure.status == .badConfiguration && failure.message.contains("transformer")
        && failure.hint?.contains("mlp") == true
    }
  }
}
