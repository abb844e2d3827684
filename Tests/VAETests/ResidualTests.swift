import Autograd
import Kernels
import Testing
import VAE

private func settings(_ change: (inout ModelSettings) -> Void = { _ in }) -> ModelSettings {
  var settings = ModelSettings()
  settings.kind = "resnet"
  settings.image = ImageShape(rows: 8, columns: 12, channels: 3)
  settings[.channels] = [4, 8]
  settings[.blocks] = 1
  settings[.normGroups] = 2
  settings[.hidden] = []
  settings[.activation] = .silu
  settings.latent = 3
  change(&settings)
  return settings
}

private func make(_ settings: ModelSettings) throws -> VariationalAutoencoder {
  try VariationalAutoencoder(settings, likelihood: Bernoulli(), objective: Objective(), seed: 1)
}

@Suite struct ResidualTests {
  @Test("Residual blocks change their width by a projection, and the decoder mirrors the encoder")
  func names() throws {
    let store = try make(settings()).store
    func block(_ place: String, _ from: Int, _ to: Int) -> [String] {
      [
        "\(place).norm1.weight [\(from)]", "\(place).norm1.bias [\(from)]",
        "\(place).conv1.weight [\(to), \(from), 3, 3]", "\(place).conv1.bias [\(to)]",
        "\(place).norm2.weight [\(to)]", "\(place).norm2.bias [\(to)]",
      ]
        + (from == to
          ? [] : ["\(place).projection.weight [\(to), \(from), 1, 1]", "\(place).projection.bias [\(to)]"])
        + ["\(place).conv2.weight [\(to), \(to), 3, 3]", "\(place).conv2.bias [\(to)]"]
    }
    func layer(_ place: String, _ weight: [Int], _ bias: Int) -> [String] {
      ["\(place).weight \(weight)", "\(place).bias [\(bias)]"]
    }
    let encoder =
      layer("encoder.stem", [4, 3, 3, 3], 4) + block("encoder.stages.0.blocks.0", 4, 4)
      + layer("encoder.stages.1.reduce", [4, 4, 3, 3], 4) + block("encoder.stages.1.blocks.0", 4, 8)
      + layer("encoder.norm", [8], 8)
    let decoder =
      layer("decoder.image", [192, 3], 192) + block("decoder.stages.0.blocks.0", 8, 4)
      + layer("decoder.stages.0.enlarge", [4, 4, 3, 3], 4) + block("decoder.stages.1.blocks.0", 4, 4)
      + layer("decoder.norm", [4], 4) + layer("decoder.output", [3, 4, 3, 3], 3)
    #expect(
      store.parameters.map { "\($0.name) \($0.fileShape)" }
        == encoder + layer("mu", [3, 192], 3) + layer("logvar", [3, 192], 3) + decoder)
  }

  @Test("The gradient of every parameter equals the slope of the loss along it")
  func gradients() throws {
    let autoencoder = try make(settings { $0[.blocks] = 2 }), batch = 2
    let elbo = autoencoder.elboGraph(batch: batch, gradients: true), graph = elbo.graph, store = autoencoder.store
    for i in 0..<elbo.x.count { graph[elbo.x][i] = Float(i * 7 % 11) / 11 }
    graph[elbo.terms.bound.beta][0] = 1
    func loss() -> Double {
      graph.forward(.drawn())
      return (0..<batch).reduce(0) { $0 + Double(graph[elbo.terms.loss][$1]) }
    }
    _ = loss()
    let gradients = Buffer(count: store.count)
    graph.backward(from: elbo.terms.loss, seed: [1, 1], gradients: gradients.base)
    // Each parameter tensor is checked separately, so that a small one is not hidden by the largest.
    for parameter in store.parameters {
      let squares = parameter.range.reduce(0.0) { $0 + Double(gradients.base[$1] * gradients.base[$1]) }
      try #require(squares > 0, "\(parameter.name) has a gradient")
      // The step is so large that the loss of about 400 changes by more than its rounding, but bends only little.
      let reach = 0.03 * squares.squareRoot()
      let start = parameter.range.map { store.values[$0] }
      func moved(_ step: Double) -> Double {
        for (i, place) in parameter.range.enumerated() {
          store.values[place] = start[i] + Float(step / squares) * gradients.base[place]
        }
        return loss()
      }
      // This is Richardson's extrapolation of central differences.
      func slope(_ step: Double) -> Double { (moved(step) - moved(-step)) / (2 * step) }
      let estimate = (4 * slope(reach / 2) - slope(reach)) / 3
      #expect(abs(estimate - 1) < 0.01 + 5e-4 / reach, "\(parameter.name): \(estimate)")
      for (i, place) in parameter.range.enumerated() { store.values[place] = start[i] }
    }
  }

  @Test("The graphs of the encoder and the decoder give the values of the whole graph, with dropout only in training")
  func decoder() throws {
    let model = try make(settings { $0[.dropout] = 0.3 })
    let elbo = model.elboGraph(batch: 2, gradients: false), encoder = model.scoringGraph(batch: 2, [.code, .logvar])
    let decoder = model.generationGraph(batch: 2, from: .latents, [.reconstruction])
    let seen = try #require(decoder.x)
    for i in 0..<elbo.x.count {
      let value = Float(i % 5) / 5
      (elbo.graph[elbo.x][i], encoder.graph[encoder.x][i], decoder.graph[seen][i]) = (value, value, value)
    }
    func values(_ graph: Graph, _ tensor: Tensor) -> [Float] { (0..<tensor.count).map { graph[tensor][$0] } }
    func reconstruction(isTraining: Bool) -> [Float] {
      elbo.graph.forward(isTraining ? .drawn() : .evaluation(sampleNumbers, seed: 0))
      return values(elbo.graph, elbo.terms.reconstruction)
    }
    let dropped = reconstruction(isTraining: true), whole = reconstruction(isTraining: false)
    decoder.graph[decoder.input].update(from: elbo.graph[elbo.z], count: decoder.input.count)
    decoder.graph.forward(.deterministic)
    encoder.graph.forward(.deterministic)
    #expect(whole == values(decoder.graph, decoder[.reconstruction]) && whole != dropped)
    #expect(values(encoder.graph, encoder[.code]) == values(elbo.graph, elbo.code))
  }

  @Test("Sizes that do not fit are refused with the chain of shapes")
  func refusals() throws {
    let cases: [(change: @Sendable (inout ModelSettings) -> Void, message: String, hint: String)] = [
      (
        { $0[.channels] = [4, 8, 8, 8] },
        "the image cannot be halved that often: 8x12x3 -> 8x12x4 -> 4x6x8 -> 2x3x8, and then 2x3 has an odd side",
        "give 3 channels, or images whose sides are multiples of 8"
      ),
      (
        { $0[.channels] = [4, 6, 9] },
        "model.norm_groups is 2, which does not divide the 9 channels of stage 3: 8x12x3 -> 8x12x4 -> 4x6x6 -> 2x3x9",
        "multiples of 2"
      ),
      (
        { $0.image = ImageShape(rows: 1, columns: 20, channels: 3) }, "1x20x3 -> 1x20x4, and then 1x20 has",
        "give 1 channels"
      ),
      (
        { $0.image = ImageShape(rows: 1, columns: 20, channels: 1) }, "rows of 20 values, not images",
        "set model.kind to mlp"
      ),
      (
        { ($0.image, $0[.channels]) = (ImageShape(rows: 20_000, columns: 20_000, channels: 1), [4]) },
        "stage 1 of model.channels, from 20000x20000x4 to 20000x20000x4", "data.image_size"
      ),
      (
        { ($0.image, $0[.channels]) = (ImageShape(rows: 8_192, columns: 8_192, channels: 3), [4, 136]) },
        "stage 2 of model.channels, from 4096x4096x136 to 4096x4096x136", "fewer channels"
      ),
    ]
    for (change, message, hint) in cases {
      #expect {
        _ = try make(settings(change))
      } throws: { error in
        guard let failure = error as? Failure else { return false }
        return failure.status == .badConfiguration && failure.message.contains(message)
          && failure.hint?.contains(hint) == true
      }
    }
    // Without halving, images of one row are allowed.
    _ = try make(settings { ($0[.channels], $0.image) = ([4], ImageShape(rows: 1, columns: 5, channels: 3)) })
  }
}
