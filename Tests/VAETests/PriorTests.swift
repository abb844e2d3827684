import Autograd
import Foundation
import Kernels
import Layers
import Testing
import VAE

private func settings(_ change: (inout ModelSettings) -> Void = { _ in }) -> ModelSettings {
  var settings = ModelSettings()
  (settings[.hidden], settings[.priorHidden], settings.latent) = ([8], [6], 5)
  settings[.activation] = .tanh
  settings.image = ImageShape(rows: 1, columns: 12, channels: 1)
  change(&settings)
  return settings
}

/// A flow in double precision with the parameters of a model.
private struct Flow {
  let model: VariationalAutoencoder
  let latent: Int
  let layers: Int

  private func linear(_ x: [Double], _ name: String) -> [Double] {
    guard let weight = model.store["\(name).weight"], let bias = model.store["\(name).bias"] else { return [] }
    return (0..<bias.shape.count).map { row in
      x.indices.reduce(Double(model.store.values[bias.offset + row])) {
        $0 + Double(model.store.values[weight.offset + row * x.count + $1]) * x[$1]
      }
    }
  }

  /// Computes u from z, and the sum of all log scales.
  func callAsFunction(_ z: [Double], _ y: [Double]) -> (u: [Double], logScale: Double) {
    var u = z, total = 0.0
    var digits = 0
    while 1 << digits < latent { digits += 1 }
    for k in 0..<layers {
      let changed = (0..<latent).filter { ($0 >> (k / 2 % digits)) % 2 == k % 2 }
      let kept = (0..<latent).filter { !changed.contains($0) }
      let h = linear(kept.map { u[$0] } + y, "prior.couplings.\(k).hidden.0").map { tanh($0) }
      let raw = linear(h, "prior.couplings.\(k).output")
      for (j, unit) in changed.enumerated() {
        let s = 2 * tanh(raw[j] / 2)
        u[unit] = u[unit] * exp(s) + raw[changed.count + j]
        total += s
      }
    }
    return (u, total)
  }

  /// Computes log |det du/dz| from central differences.
  func logDeterminant(_ z: [Double], _ y: [Double]) -> Double {
    let h = 1e-6
    var rows = z.indices.map { i -> [Double] in
      var up = z, down = z
      up[i] += h
      down[i] -= h
      return zip(self(up, y).u, self(down, y).u).map { ($0 - $1) / (2 * h) }
    }
    var total = 0.0
    for i in rows.indices {
      guard let pivot = (i..<rows.count).max(by: { abs(rows[$0][i]) < abs(rows[$1][i]) }) else { break }
      rows.swapAt(i, pivot)
      total += log(abs(rows[i][i]))
      for k in rows.indices where k > i {
        let factor = rows[k][i] / rows[i][i]
        for j in rows.indices where j >= i { rows[k][j] -= factor * rows[i][j] }
      }
    }
    return total
  }
}

/// A model with a prior whose weights are not 0.
private func model(
  _ settings: ModelSettings, scale: Float = 0.6, objective: Objective = Objective()
) throws -> VariationalAutoencoder {
  let model = try VariationalAutoencoder(settings, likelihood: Bernoulli(), objective: objective, seed: 4)
  for parameter in model.store.parameters where parameter.name.hasPrefix("prior.") {
    var sample: UInt64 = 0
    KeyedGenerator(seed: 9, stream: parameter.name).normal(
      into: model.store.values + parameter.offset, samples: &sample, rows: 1, columns: parameter.shape.count, epoch: 0)
    for place in parameter.range { model.store.values[place] *= scale }
  }
  return model
}

private func logNormal(_ u: [Double]) -> Double { u.reduce(0) { $0 - (log(2 * Double.pi) + $1 * $1) / 2 } }

@Suite struct PriorTests {
  private static let batch = 6

  /// z drawn by the prior of a model from noise, its log density, and the condition, all row-major.
  private func draw(
    _ model: VariationalAutoencoder
  ) -> (noise: [Double], z: [Double], y: [Double], density: [Double]) {
    let batch = Self.batch
    let prior = model.generationGraph(batch: batch, from: .prior, [.z]),
      conditional = model.generationGraph(batch: batch, from: .latents, [.reconstruction, .logPrior])
    let samples = (0..<UInt64(batch)).map { $0 }
    KeyedGenerator(seed: 2, stream: "noise").normal(
      into: prior.graph[prior.input], samples: samples, rows: batch, columns: prior.input.columns, epoch: 0)
    for (tensor, graph) in [(prior.y, prior.graph), (conditional.y, conditional.graph)] {
      guard let tensor else { continue }
      for row in 0..<batch { graph[tensor][row * tensor.columns + row % tensor.columns] = 1 }
    }
    prior.graph.forward()
    conditional.graph[conditional.input].update(from: prior.graph[prior[.z]], count: prior[.z].count)
    conditional.graph.forward()
    func doubles(_ graph: Graph, _ tensor: Tensor?) -> [Double] {
      tensor.map { tensor in (0..<tensor.count).map { Double(graph[tensor][$0]) } } ?? []
    }
    return (
      doubles(prior.graph, prior.input), doubles(prior.graph, prior[.z]), doubles(prior.graph, prior.y),
      doubles(conditional.graph, conditional[.logPrior])
    )
  }

  @Test(
    "The log density of a flow is that of the base plus a numerical log-determinant, and drawing inverts the flow",
    arguments: [(2, 0, 8), (5, 0, 8), (5, 3, 8), (8, 2, 6), (17, 0, 10), (3, 0, 1)])
  func determinant(latent: Int, condition: Int, layers: Int) throws {
    let model = try model(
      settings { ($0.prior, $0.latent, $0.condition, $0[.flowLayers]) = ("flow", latent, condition, layers) },
      // With wider networks, each coupling changes z more, which increases the rounding of float32.
      scale: latent > 8 ? 0.3 : 0.6)
    let flow = Flow(model: model, latent: latent, layers: layers)
    let drawn = draw(model)
    var moved = 0.0
    for row in 0..<Self.batch {
      let z = Array(drawn.z[row * latent..<(row + 1) * latent])
      let noise = drawn.noise[row * latent..<(row + 1) * latent]
      let y = Array(drawn.y[row * condition..<(row + 1) * condition])
      let (u, logScale) = flow(z, y)
      // This allows the rounding of float32, multiplied by the scales of the couplings.
      for (ours, given) in zip(u, noise) { #expect(abs(ours - given) <= 1e-4 * max(1, abs(given))) }
      let determinant = flow.logDeterminant(z, y)
      #expect(abs(determinant - logScale) <= 1e-6 * max(1, abs(logScale)))
      #expect(abs(drawn.density[row] - logNormal(u) - determinant) <= 1e-4 * max(1, abs(determinant)))
      moved += abs(determinant)
    }
    #expect(moved > 0.5)
  }

  @Test("Densities of priors integrate to 1 over the plane for any condition", arguments: ["flow", "conditional"])
  func integral(prior: String) throws {
    let model = try model(
      settings { ($0.prior, $0.latent, $0.condition, $0[.flowLayers]) = (prior, 2, 2, 6) }, scale: 0.2)
    let side = 400, reach: Float = 20, step = 2 * reach / Float(side), batch = side
    let graph = model.generationGraph(batch: batch, from: .latents, [.reconstruction, .logPrior]), memory = graph.graph
    for label in 0..<2 {
      let y = try #require(graph.y)
      for row in 0..<batch { for j in 0..<2 { memory[y][row * 2 + j] = j == label ? 1 : 0 } }
      var total = 0.0
      for line in 0..<side {
        for row in 0..<batch {
          memory[graph.input][2 * row] = -reach + (Float(line) + 0.5) * step
          memory[graph.input][2 * row + 1] = -reach + (Float(row) + 0.5) * step
        }
        memory.forward()
        for row in 0..<batch { total += exp(Double(memory[graph[.logPrior]][row])) * Double(step * step) }
      }
      #expect(abs(total - 1) < 1e-4, "\(prior), label \(label): \(total)")
    }
  }

  @Test(
    "The KL of all units adds up to the closed form, or to log q(z | x) - log p(z | y) of the draw",
    arguments: PriorRegistry.all.names)
  func divergence(prior: String) throws {
    let model = try model(settings { ($0.prior, $0.condition) = (prior, 3) })
    let elbo = model.elboGraph(batch: Self.batch, gradients: false), graph = elbo.graph
    let conditional = model.generationGraph(batch: Self.batch, from: .latents, [.reconstruction, .logPrior]),
      y = try #require(elbo.y)
    for i in 0..<elbo.x.count { graph[elbo.x][i] = Float(i % 7) / 7 }
    for row in 0..<Self.batch { graph[y][row * 3 + row % 3] = 1 }
    graph.forward(.drawn())
    conditional.graph[conditional.input].update(from: graph[elbo.z], count: elbo.z.count)
    conditional.graph[conditional.y]?.update(from: graph[y], count: y.count)
    conditional.graph.forward()
    let spread = try #require(elbo.logvar), perUnit = elbo.terms.bound.klPerUnit
    #expect(perUnit.shape == elbo.code.shape)
    for row in 0..<Self.batch {
      var own = 0.0, sum = 0.0
      for at in row * 5..<(row + 1) * 5 {
        let logvar = Double(graph[spread][at])
        let d = Double(graph[elbo.z][at]) - Double(graph[elbo.code][at])
        own -= (log(2 * Double.pi) + logvar + d * d * exp(-logvar)) / 2
        sum += Double(graph[perUnit][at])
      }
      #expect(abs(sum - Double(graph[elbo.terms.bound.kl][row])) < 1e-4)
      let estimate = own - Double(conditional.graph[conditional[.logPrior]][row])
      if model.hasExactRates {
        #expect(sum > 0)
      } else {
        #expect(abs(sum - estimate) < 1e-3 * max(1, abs(estimate)))
      }
    }
    // For Gaussians, the mean of the estimate over many draws is the closed form.
    guard model.hasExactRates else { return }
    var exact = 0.0, estimated = 0.0, squares = 0.0
    let draws = 4_000
    for epoch in 0..<draws {
      graph.forward(.drawn(epoch: UInt32(epoch)))
      conditional.graph[conditional.input].update(from: graph[elbo.z], count: elbo.z.count)
      conditional.graph.forward()
      var estimate = -Double(conditional.graph[conditional[.logPrior]][0])
      for at in 0..<5 {
        let logvar = Double(graph[spread][at])
        let d = Double(graph[elbo.z][at]) - Double(graph[elbo.code][at])
        estimate -= (log(2 * Double.pi) + logvar + d * d * exp(-logvar)) / 2
      }
      exact = Double(graph[elbo.terms.bound.kl][0])
      estimated += estimate / Double(draws)
      squares += estimate * estimate / Double(draws)
    }
    let error = ((squares - estimated * estimated) / Double(draws)).squareRoot()
    #expect(abs(estimated - exact) < 5 * error + 1e-4, "\(prior): \(estimated), \(exact), standard error \(error)")
  }

  @Test("A flow begins as N(0, I)")
  func identity() throws {
    let flow = try VariationalAutoencoder(
      settings { $0.prior = "flow" }, likelihood: Bernoulli(), objective: Objective(), seed: 4)
    let drawn = draw(flow)
    #expect(drawn.z == drawn.noise)
    for row in 0..<Self.batch {
      #expect(abs(drawn.density[row] - logNormal(Array(drawn.z[row * 5..<(row + 1) * 5]))) < 1e-4)
    }
  }

  @Test("Every pair of units is separated by some coupling, and every unit is changed and kept by some")
  func couplings() throws {
    for latent in [2, 3, 5, 20, 64] {
      let model = try VariationalAutoencoder(
        settings { ($0.prior, $0.latent, $0[.flowLayers], $0[.priorHidden]) = ("flow", latent, 12, [3]) },
        likelihood: Bernoulli(), objective: Objective(), seed: 1)
      for coupling in 0..<12 {
        let kept = try #require(model.store["prior.couplings.\(coupling).hidden.0.weight"]).shape[1]
        let changed = try #require(model.store["prior.couplings.\(coupling).output.weight"]).shape[0] / 2
        #expect(kept > 0 && changed > 0 && kept + changed == latent)
      }
    }
  }

  @Test(
    "Settings that do not fit a prior are refused with what to set instead",
    arguments: [
      ("conditional", 5, 0, 0, 0, "the model has no condition"), ("flow", 1, 0, 0, 0, "z has one unit"),
      ("flow", 5, 0, 0.1, 0, "free bits are a floor"), ("conditional", 5, 2, 0, 3, "objective.mmd compares z"),
      ("cauchy", 5, 0, 0, 0, "there is no prior 'cauchy'"),
    ] as [(String, Int, Int, Float, Float, String)])
  func refusals(prior: String, latent: Int, condition: Int, freeBits: Float, mmd: Float, text: String) {
    var objective = Objective()
    (objective.freeBits, objective.discrepancy) = (freeBits, mmd)
    #expect {
      _ = try model(
        settings { ($0.prior, $0.latent, $0.condition) = (prior, latent, condition) }, objective: objective)
    } throws: { error in
      guard let failure = error as? Failure else { return false }
      return failure.status == .badConfiguration && failure.message.contains(text) && failure.hint != nil
    }
  }
}
