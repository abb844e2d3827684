import Autograd
import Foundation
import Kernels
import Layers
import Testing
import VAE

/// p(z2) = N(0, 1), p(z1 | z2) = N(0.8 z2, 0.36), p(x | z1) = N(1.5 z1, 0.25), and the posterior factored as
/// q(z2 | x) q(z1 | z2, x), each linear in what it is conditioned on.
private struct LinearHierarchy: LatentModel {
  func record(_ x: Tensor?, given y: Tensor?, in trace: Trace) -> Tensor {
    let scope = trace.scope, graph = trace.graph
    func gaussian(_ h: Tensor, _ name: String) -> DiagonalGaussian {
      DiagonalGaussian(of: h, units: 1, bounds: -20...20, in: scope[name])
    }
    let z2 = trace.latent("z2", q: x.map { gaussian($0, "q2") }, p: StandardGaussian(units: 1, in: graph))
    let z1 = trace.latent(
      "z1", q: x.map { gaussian(graph.concatenate([z2, $0]), "q1") }, p: gaussian(z2, "p1"))
    return scope["output"].linear(z1, to: 1)
  }
}

/// The closed form of the hierarchy at x = 1. The figures were computed separately in float64.
@Suite struct HierarchyTests {
  static let x: Float = 1
  static let logLikelihood = -1.5770838991
  static let topRate = 0.2562109119
  static let bottomRate = 0.6250816346
  static let reconstruction = 0.6957913527
  /// E[-log p(x | z)] if the posterior equals the prior.
  static let collapsed = 6.7257913526
  private static let rows = 64

  /// Weights by name: those of the model itself, and those of a posterior.
  private func hierarchy(_ posterior: [String: [Float]]) throws -> VariationalAutoencoder {
    var settings = ModelSettings()
    settings.image = ImageShape(rows: 1, columns: 1, channels: 1)
    let autoencoder = try VariationalAutoencoder(
      settings, make: { _ in LinearHierarchy() }, likelihood: Gaussian(sigma: 0.5), objective: Objective(), seed: 1)
    let own: [String: [Float]] = [
      "p1.mu.weight": [0.8], "p1.logvar.bias": [log(0.36)], "output.weight": [1.5],
    ]
    for parameter in autoencoder.store.parameters {
      let values =
        own[parameter.name] ?? posterior[parameter.name]
        ?? [Float](repeating: 0, count: parameter.shape.count)
      try #require(values.count == parameter.shape.count)
      for (place, value) in zip(parameter.range, values) { autoencoder.store.values[place] = value }
    }
    return autoencoder
  }

  /// q(z2 | x) = N(0.48 x, 0.424), q(z1 | z2, x) = N(0.1886792453 z2 + 0.5094339623 x, 0.0849056604).
  private func exact() throws -> VariationalAutoencoder {
    try hierarchy([
      "q2.mu.weight": [0.48], "q2.logvar.bias": [log(0.424)], "q1.mu.weight": [0.1886792453, 0.5094339623],
      "q1.logvar.bias": [log(0.0849056604)],
    ])
  }

  /// Draws of the hierarchy at x: means over many draws of a graph, and the largest distance from the first draw.
  private func means(
    _ autoencoder: VariationalAutoencoder, _ outputs: [ScoringOutput], epochs: Int = 200
  ) -> [[Double]] {
    let graph = autoencoder.scoringGraph(batch: Self.rows, Set(outputs), redraws: true), memory = graph.graph
    let samples = (0..<UInt64(Self.rows)).map { $0 }
    for row in 0..<Self.rows { memory[graph.x][row] = Self.x }
    return samples.withUnsafeBufferPointer { samples in
      guard let samples = samples.baseAddress else { return [] }
      var sums = outputs.map { [Double](repeating: 0, count: graph[$0].columns) }
      for draw in 0..<epochs {
        let replay = Replay.evaluation(samples, seed: 3, draw: draw)
        if draw == 0 { memory.forward(replay) } else { memory.redraw(replay) }
        for (place, output) in outputs.enumerated() {
          let tensor = graph[output]
          for at in 0..<tensor.count {
            sums[place][at % tensor.columns] += Double(memory[tensor][at]) / Double(epochs * Self.rows)
          }
        }
      }
      return sums
    }
  }

  @Test("Groups of latents follow each other, each with its own stream, units and KL")
  func layout() throws {
    let autoencoder = try exact()
    #expect(autoencoder.latents.groups.map(\.name) == ["z2", "z1"])
    #expect(autoencoder.latents.groups.map(\.units) == [0..<1, 1..<2] && autoencoder.latent == 2)
    #expect(autoencoder.hasExactRates && autoencoder.latents.isGaussian)
    let sums = autoencoder.latents.sums([3, 4])
    #expect(sums.map(\.name) == ["z2", "z1"] && sums.map(\.sum) == [3, 4])
    let draws = means(autoencoder, [.z], epochs: 2_000)[0]
    #expect(abs(draws[0] - 0.48) < 0.01 && abs(draws[1] - (0.1886792453 * 0.48 + 0.5094339623)) < 0.01)
  }

  @Test("The KL of each group, the reconstruction and the ELBO equal the closed form")
  func terms() throws {
    let found = means(try exact(), [.rate, .reconstruction, .kl], epochs: 4_000)
    #expect(abs(found[0][0] - Self.topRate) < 1e-5)
    #expect(abs(found[0][1] - Self.bottomRate) < 2e-3)
    #expect(abs(found[1][0] - Self.reconstruction) < 5e-3)
    #expect(abs(found[1][0] + found[2][0] + Self.logLikelihood) < 5e-3)
  }

  @Test("With the exact posterior, every importance weight is p(x), so the estimate has no variance")
  func weights() throws {
    let autoencoder = try exact()
    let graph = autoencoder.scoringGraph(batch: Self.rows, [.logRatio, .reconstruction]), memory = graph.graph
    let samples = (0..<UInt64(Self.rows)).map { $0 }
    for row in 0..<Self.rows { memory[graph.x][row] = Self.x }
    samples.withUnsafeBufferPointer { memory.forward(.evaluation($0.baseAddress!, seed: 5)) }
    for row in 0..<Self.rows {
      let weight = Double(memory[graph[.logRatio]][row]) - Double(memory[graph[.reconstruction]][row])
      #expect(abs(weight - Self.logLikelihood) < 1e-5)
    }
  }

  @Test("With the prior as the posterior, importance weights still give p(x)")
  func collapse() throws {
    let autoencoder = try hierarchy(["q1.mu.weight": [0.8, 0], "q1.logvar.bias": [log(0.36)]])
    let found = means(autoencoder, [.rate, .reconstruction, .logRatio], epochs: 4_000)
    #expect(abs(found[0][0]) < 1e-6 && abs(found[0][1]) < 1e-6 && abs(found[2][0]) < 1e-6)
    #expect(abs(found[1][0] - Self.collapsed) < 0.06)
    let graph = autoencoder.scoringGraph(batch: Self.rows, [.logRatio, .reconstruction], redraws: true)
    let memory = graph.graph, samples = (0..<UInt64(Self.rows)).map { $0 }
    for row in 0..<Self.rows { memory[graph.x][row] = Self.x }
    var weights = 0.0
    let draws = 4_000
    samples.withUnsafeBufferPointer { samples in
      for draw in 0..<draws {
        let replay = Replay.evaluation(samples.baseAddress!, seed: 7, draw: draw)
        if draw == 0 { memory.forward(replay) } else { memory.redraw(replay) }
        for row in 0..<Self.rows {
          weights += exp(Double(memory[graph[.logRatio]][row]) - Double(memory[graph[.reconstruction]][row]))
        }
      }
    }
    #expect(abs(log(weights / Double(draws * Self.rows)) - Self.logLikelihood) < 0.01)
  }

  @Test("The same recording generates samples from noise of all groups, and uses given latents unchanged")
  func generation() throws {
    let autoencoder = try exact(), rows = 3
    let drawn = autoencoder.generationGraph(batch: rows, from: .prior, [.z, .mean])
    let noise: [Float] = [1, -1, 0.5, 2, -0.25, 0]
    for (i, value) in noise.enumerated() { drawn.graph[drawn.input][i] = value }
    drawn.graph.forward()
    let given = autoencoder.generationGraph(batch: rows, from: .latents, [.mean, .logPrior])
    for row in 0..<rows {
      let z2 = noise[2 * row], z1 = 0.8 * z2 + 0.6 * noise[2 * row + 1]
      #expect(abs(drawn.graph[drawn[.z]][2 * row] - z2) < 1e-6)
      #expect(abs(drawn.graph[drawn[.z]][2 * row + 1] - z1) < 1e-6)
      #expect(abs(drawn.graph[drawn[.mean]][row] - 1.5 * z1) < 1e-6)
      for unit in 0..<2 { given.graph[given.input][2 * row + unit] = drawn.graph[drawn[.z]][2 * row + unit] }
    }
    given.graph.forward(.deterministic)
    for row in 0..<rows {
      #expect(given.graph[given[.mean]][row] == drawn.graph[drawn[.mean]][row])
      let squares = pow(Double(noise[2 * row]), 2) + pow(Double(noise[2 * row + 1]), 2)
      let density = -(squares + 2 * log(2 * Double.pi) + log(0.36)) / 2
      #expect(abs(Double(given.graph[given[.logPrior]][row]) - density) < 1e-5)
    }
  }

  @Test("Another draw for the same x has the bits of a whole replay")
  func redraws() throws {
    var settings = ModelSettings()
    (settings[.hidden], settings.latent, settings[.dropout]) = ([9, 7], 4, 0.2)
    settings.image = ImageShape(rows: 1, columns: 12, channels: 1)
    settings.condition = 2
    for prior in PriorRegistry.all.names {
      settings.prior = prior
      let autoencoder = try VariationalAutoencoder(
        settings, likelihood: Bernoulli(), objective: Objective(), seed: 2)
      let all = Set(ScoringOutput.allCases), batch = 5
      let whole = autoencoder.scoringGraph(batch: batch, all)
      let again = autoencoder.scoringGraph(batch: batch, all, redraws: true)
      for graph in [whole, again] {
        for i in 0..<graph.x.count { graph.graph[graph.x][i] = Float(i % 7) / 7 }
        let y = try #require(graph.y)
        for row in 0..<batch { graph.graph[y][2 * row + row % 2] = 1 }
      }
      let samples = (0..<UInt64(batch)).map { $0 }
      samples.withUnsafeBufferPointer { samples in
        for draw in 0..<4 {
          let replay = Replay.evaluation(samples.baseAddress!, seed: 5, draw: draw)
          whole.graph.forward(replay)
          if draw == 0 { again.graph.forward(replay) } else { again.graph.redraw(replay) }
          for (a, b) in zip(whole.outputs, again.outputs) {
            #expect(
              (0..<a.count).allSatisfy { whole.graph[a][$0].bitPattern == again.graph[b][$0].bitPattern },
              "\(prior), draw \(draw)")
          }
        }
      }
    }
  }
}
