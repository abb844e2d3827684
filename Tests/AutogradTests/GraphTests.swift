import Autograd
import Kernels
import Testing

/// A small VAE of bare operations: x -> linear -> (mu, logvar) -> z -> linear -> Bernoulli + KL.
private final class SmallVAE {
  let graph: Graph
  let x, loss, hidden: Tensor
  let parameters: Buffer
  let gradients: Buffer
  private let samples: UnsafeMutablePointer<UInt64>
  static let elements = 9, width = 7, latent = 3

  init(batch: Int) {
    let graph = Graph(batch: batch)
    var offset = 0
    func layer(_ name: String, _ x: Tensor, to outputs: Int, _ f: Activation = .identity) -> Tensor {
      graph.scopeName = name
      defer { graph.scopeName = "" }
      let weight = graph.parameter([outputs, x.columns], offset: offset)
      offset += outputs * x.columns
      let bias = graph.parameter([outputs], offset: offset)
      offset += outputs
      return graph.linear(x, weight: weight, bias: bias, activation: f)
    }
    x = graph.input([batch, Self.elements])
    hidden = layer("encoder.0", x, to: Self.width, .tanh)
    let mu = layer("mu", hidden, to: Self.latent)
    let logvar = graph.clamp(layer("logvar", hidden, to: Self.latent), low: -10, high: 10)
    let z = graph.reparameterize(mu: mu, logvar: logvar, eps: graph.standardNormal(columns: Self.latent, stream: "eps"))
    let logits = layer("output", graph.dropout(z, probability: 0.2, stream: "dropout"), to: Self.elements)
    let kl = graph.rowSum(graph.gaussianKL(mu: mu, logvar: logvar))
    loss = graph.weightedSum([(graph.constant(1), graph.bernoulli(x, logits: logits)), (graph.constant(0.5), kl)])
    parameters = Buffer(count: offset)
    gradients = Buffer(count: offset)
    for i in 0..<offset { parameters.base[i] = Float((i * 37) % 101 - 50) / 100 }
    graph.finalize(parameters: parameters.base)
    self.graph = graph
    samples = Buffer.allocate(UInt64.self, count: batch)
    fill { row, column in Float((row * 31 + column * 7) % 10) / 10 }
  }

  deinit { samples.deallocate() }

  /// A training step whose rows are the given samples (by default, every row is sample 0).
  func forward(_ ids: [UInt64]? = nil, seed: UInt64 = 0) {
    for row in 0..<graph.batch { samples[row] = ids?[row] ?? 0 }
    graph.forward(.training(samples, filled: graph.batch, seed: seed, attempt: 0, epoch: 0))
  }

  func fill(_ value: (Int, Int) -> Float) {
    for row in 0..<graph.batch {
      for column in 0..<Self.elements { graph[x][row * Self.elements + column] = value(row, column) }
    }
  }

  func gradient(seed: [Float]) -> [UInt32] {
    gradients.base.zero(gradients.count)
    forward()
    graph.backward(from: loss, seed: seed, gradients: gradients.base)
    return (0..<gradients.count).map { gradients.base[$0].bitPattern }
  }
}

@Suite struct GraphTests {
  @Test(
    "Rows of weight zero do not change a bit of a gradient, whatever finite values they contain", arguments: 0...7)
  func padding(filled: Int) {
    let vae = SmallVAE(batch: 7)
    let seed = (0..<7).map { Float($0 < filled ? 0.25 : 0) }
    let first = vae.gradient(seed: seed)
    #expect(first.contains { $0 & 0x7fff_ffff != 0 } == (filled > 0))
    for other: Float in [0, 1, -3, 1e6] {
      vae.fill { row, column in row < filled ? Float((row * 31 + column * 7) % 10) / 10 : other * Float(column) }
      #expect(vae.gradient(seed: seed) == first, "padding of \(other)")
    }
  }

  @Test("A gradient that backward reports as final does not change again, and all are final at the end")
  func finalGradients() {
    let vae = SmallVAE(batch: 4)
    let expected = vae.gradient(seed: [1, 1, 1, 1])
    var reported = [Int]()
    for i in 0..<vae.gradients.count { vae.gradients.base[i] = .nan }
    vae.forward()
    vae.graph.backward(from: vae.loss, seed: [1, 1, 1, 1], gradients: vae.gradients.base) { from in
      reported.append(from)
      for i in from..<vae.gradients.count { #expect(vae.gradients.base[i].bitPattern == expected[i], "at \(i)") }
    }
    #expect(reported == reported.sorted(by: >), "a gradient that was reported stays final")
    // The gradient of the last layer is final long before that of the first layer.
    #expect(reported.last == 0 && reported.contains { $0 > 0 && $0 < vae.gradients.count })
  }

  @Test("The noise of a sample does not depend on the row that the sample is in")
  func noiseFollowsTheSample() {
    let vae = SmallVAE(batch: 4)
    vae.fill { _, column in Float(column) / 10 }
    func losses(_ ids: [UInt64]) -> [Float] {
      vae.forward(ids, seed: 3)
      return (0..<4).map { vae.graph[vae.loss][$0] }
    }
    let forth = losses([5, 6, 7, 8]), back = losses([8, 7, 6, 5])
    #expect(forth == back.reversed())
    #expect(Set(forth).count == 4)
  }

  @Test("Data and parameters that are not finite are reported as the cause, rather than an operation")
  func firstNonFinite() {
    let vae = SmallVAE(batch: 5)
    func finding() -> (label: String, rows: [Int])? {
      vae.forward()
      return vae.graph.firstNonFinite(inputs: [vae.x])
    }
    #expect(finding() == nil)
    vae.fill { row, column in row == 2 && column == 8 ? .nan : 0.5 }
    #expect(finding()?.label == "input data" && finding()?.rows == [2])
    vae.fill { _, _ in 0.5 }
    vae.parameters.base[0] = .infinity
    #expect(finding()?.label == "parameter at 0")
  }

  @Test("A layer that overflows is reported with the rows that overflow")
  func overflowingLayer() {
    let graph = Graph(batch: 4)
    let x = graph.input([4, 2])
    graph.scopeName = "decoder.1"
    let y = graph.linear(x, weight: graph.parameter([3, 2], offset: 0), bias: graph.parameter([3], offset: 6))
    graph.scopeName = ""
    _ = graph.rowSum(y)
    let parameters = Buffer(count: 9)
    for i in 0..<9 { parameters.base[i] = 10 }
    graph.finalize(parameters: parameters.base)
    for i in 0..<8 { graph[x][i] = i / 2 == 1 || i / 2 == 3 ? 3e38 : 1 }
    graph.forward()
    let found = graph.firstNonFinite(inputs: [x])
    #expect(found?.label == "decoder.1 (linear)" && found?.rows == [1, 3])
  }

  @Test("A NaN in the data or in a layer reaches the loss through every activation", arguments: Activation.allCases)
  func nanReachesTheLoss(f: Activation) {
    let graph = Graph(batch: 2)
    let x = graph.input([2, 3])
    let h = graph.linear(
      x, weight: graph.parameter([4, 3], offset: 0), bias: graph.parameter([4], offset: 12), activation: f)
    let sum = graph.rowSum(h)
    let parameters = Buffer(count: 16)
    for i in 0..<16 { parameters.base[i] = 0.1 }
    graph.finalize(parameters: parameters.base)
    for i in 0..<6 { graph[x][i] = i == 4 ? .nan : 1 }
    graph.forward()
    #expect(graph[sum][0].isFinite && graph[sum][1].isNaN)
  }

  @Test("A graph without gradients keeps no memory for them")
  func withoutGradients() {
    let graph = Graph(batch: 2, recordsGradients: false)
    let x = graph.input([2, 3], needsGradient: true)
    let y = graph.linear(x, weight: graph.parameter([3, 3], offset: 0), bias: graph.parameter([3], offset: 9))
    let parameters = Buffer(count: 12)
    graph.finalize(parameters: parameters.base)
    #expect(!graph.needsGradient(x) && !graph.needsGradient(y) && graph.gradient(y) == nil)
    // Two tensors of 6 elements, each on lines of 16 floats.
    #expect(graph.arenaBytes == 2 * 16 * 4)
  }

  @Test("Operations that no kept tensor depends on are removed, and so is their memory")
  func dropsUnneeded() {
    let graph = Graph(batch: 2, recordsGradients: false)
    let x = graph.input([2, 3])
    let y = graph.linear(x, weight: graph.parameter([3, 3], offset: 0), bias: graph.parameter([3], offset: 9))
    let wide = graph.likelihood(x, location: graph.add(x, to: y), .gaussianOptimal)
    graph.keep([y])
    graph.dropUnneeded()
    let parameters = Buffer(count: 12)
    parameters.base.zero(12)
    for i in 0..<3 { parameters.base[4 * i] = 1 }
    graph.finalize(parameters: parameters.base)
    for i in 0..<6 { graph[x][i] = Float(i) - 2 }
    graph.forward()
    #expect((0..<6).map { graph[y][$0] } == [-4, -2, 0, 2, 4, 6] && graph.operations.count == 2)
    // x and y, on lines of 16 floats.
    #expect(graph.arenaBytes == 2 * 16 * 4 && wide.count == 2)
  }

  @Test("A parameter that is recorded twice is one tensor")
  func parameterTwice() {
    let graph = Graph(batch: 1)
    #expect(graph.parameter([2, 3], offset: 4) == graph.parameter([2, 3], offset: 4))
    #expect(graph.parameter([2, 3], offset: 10) != graph.parameter([2, 3], offset: 4))
  }
}

/// A graph without parameters that contains noise with dropout, or a draw from a likelihood.
private func noisyGraph(sampled: Bool) -> Graph {
  let graph = Graph(batch: 2)
  let noise = graph.dropout(graph.standardNormal(columns: 3, stream: "eps"), probability: 0.5, stream: "mask")
  if sampled { _ = graph.likelihoodSample(noise, .bernoulli, stream: "draw") }
  let none = Buffer(count: 1)
  graph.finalize(parameters: none.base)
  return graph
}

/// Programmer errors end the process at recording time.
@Suite struct PreconditionTests {
  @Test("Shapes that do not fit are refused when an operation is recorded")
  func shapes() async {
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.linear(
        graph.input([2, 3]), weight: graph.parameter([4, 5], offset: 0), bias: graph.parameter([4], offset: 20))
    }
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.reparameterize(mu: graph.input([2, 3]), logvar: graph.input([2, 4]), eps: graph.input([2, 3]))
    }
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.parameter([2, 3], offset: 0)
      _ = graph.parameter([3, 2], offset: 0)
    }
  }

  @Test("Rows that belong to no sample are refused by layers and draws that need one row per sample")
  func rowsOfSamples() async {
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.dropout(graph.view(graph.input([2, 4]), [4, 2]), probability: 0.5, stream: "mask")
    }
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.likelihoodSample(graph.view(graph.input([2, 4]), [4, 2]), .bernoulli, stream: "draw")
    }
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.linear(
        graph.input([3, 4]), weight: graph.parameter([1, 4], offset: 0), bias: graph.parameter([1], offset: 4))
    }
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.linear(
        graph.input([2, 3, 4]), weight: graph.parameter([1, 12], offset: 0), bias: graph.parameter([1], offset: 12))
    }
    // Pseudo-inputs are parameters, and their number is free.
    let graph = Graph(batch: 2)
    let y = graph.linear(
      graph.parameter([3, 4], offset: 5), weight: graph.parameter([1, 4], offset: 0),
      bias: graph.parameter([1], offset: 4))
    let weight = graph.parameter([1, 1], offset: 17), bias = graph.parameter([1], offset: 18)
    #expect(graph.linear(y, weight: weight, bias: bias).rows == 3)
  }

  @Test("A residual is added only to the output of the last operation, whose backward must not read it")
  func residuals() async {
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.add(graph.input([2, 3]), to: graph.input([2, 3]))
    }
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      let x = graph.input([2, 3]), weight = graph.parameter([3, 3], offset: 0), bias = graph.parameter([3], offset: 9)
      let y = graph.linear(x, weight: weight, bias: bias)
      _ = graph.linear(y, weight: weight, bias: bias)
      _ = graph.add(x, to: y)
    }
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      let x = graph.input([2, 3]), weight = graph.parameter([3, 3], offset: 0), bias = graph.parameter([3], offset: 9)
      _ = graph.add(x, to: graph.linear(x, weight: weight, bias: bias, activation: .tanh))
    }
  }

  @Test("A finalized graph accepts no more operations, and a graph cannot be replayed before it is finalized")
  func order() async {
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      let x = graph.input([2, 3])
      let parameters = Buffer(count: 1)
      graph.finalize(parameters: parameters.base)
      _ = graph.rowSum(x)
    }
    await #expect(processExitsWith: .failure) { Graph(batch: 2).forward() }
  }

  @Test("A graph that draws noise can only be replayed with the numbers of the samples")
  func noise() async {
    noisyGraph(sampled: false).forward(.deterministic)
    await #expect(processExitsWith: .failure) { noisyGraph(sampled: false).forward() }
    await #expect(processExitsWith: .failure) { noisyGraph(sampled: true).forward(.deterministic) }
  }
}
