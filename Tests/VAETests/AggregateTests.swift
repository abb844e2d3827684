import Autograd
import Foundation
import Kernels
import TestSupport
import Testing
import VAE

@Suite struct AggregateTests {
  private struct Values: Decodable {
    let rows, latent, dataset: Int
    let z, mu, logvar, weights: [Float]
    let correlation, discrepancy, discrepancyGradient: [Double]
    let correlationGradients: [[Double]]
  }

  /// The values of a term for rows of latents, of which `filled` are samples, and the gradients of its weighted sum.
  private func evaluate(
    _ columns: [[Float]], rows: Int, filled: Int, _ weights: [Float], _ record: (Graph, [Tensor]) -> Tensor
  ) throws -> (values: [Float], gradients: [[Float]]) {
    let graph = Graph(batch: rows)
    let inputs = columns.map { graph.input([rows, $0.count / rows], needsGradient: true) }
    let y = record(graph, inputs)
    let none = Buffer(count: 1)
    graph.finalize(parameters: none.base)
    for (tensor, values) in zip(inputs, columns) { graph[tensor].update(from: values, count: values.count) }
    graph.forward(.training(sampleNumbers, filled: filled, seed: 0, attempt: 0, epoch: 0))
    let values = (0..<rows).map { graph[y][$0] }
    graph.backward(from: y, seed: weights, gradients: none.base)
    return (
      values,
      try inputs.map { Array(UnsafeBufferPointer(start: try #require(graph.gradient($0)), count: $0.count)) }
    )
  }

  private func expectNear(_ ours: [Float], _ theirs: [Double], _ location: SourceLocation = #_sourceLocation) {
    let largest = theirs.reduce(1e-3) { max($0, abs($1)) }
    #expect(ours.count == theirs.count, sourceLocation: location)
    for (a, b) in zip(ours, theirs) { #expect(abs(Double(a) - b) <= 2e-6 * largest, sourceLocation: location) }
  }

  @Test("The total correlation equals that of PyTorch up to a constant, and its gradients are the same")
  func totalCorrelation() throws {
    let f = try fixture("aggregate.json", as: Values.self)
    let ours = try evaluate([f.z, f.mu, f.logvar], rows: f.rows, filled: f.rows, f.weights) {
      $0.totalCorrelation($1[0], mu: $1[1], logvar: $1[2])
    }
    let constant = Double(f.latent - 1) * log(Double(f.dataset))
    expectNear(ours.values, f.correlation.map { $0 - constant })
    for (mine, theirs) in zip(ours.gradients, f.correlationGradients) { expectNear(mine, theirs) }
  }

  @Test("The discrepancy equals that of PyTorch with expectations over the prior by quadrature")
  func priorDiscrepancy() throws {
    let f = try fixture("aggregate.json", as: Values.self)
    let ours = try evaluate([f.z], rows: f.rows, filled: f.rows, f.weights) { $0.priorDiscrepancy($1[0]) }
    expectNear(ours.values, f.discrepancy)
    expectNear(ours.gradients[0], f.discrepancyGradient)
  }

  @Test("Rows that are not samples have no effect", arguments: 0...7)
  func padding(filled: Int) throws {
    let f = try fixture("aggregate.json", as: Values.self)
    let count = filled * f.latent
    func cut(_ x: [Float]) -> [Float] { Array(x[..<count]) }
    func spoilt(_ x: [Float]) -> [Float] { cut(x) + [Float](repeating: .nan, count: x.count - count) }
    func compare(_ columns: [[Float]], _ record: (Graph, [Tensor]) -> Tensor) throws {
      let whole = try evaluate(columns.map(spoilt), rows: f.rows, filled: filled, f.weights, record)
      #expect(whole.values[filled...].allSatisfy { $0 == 0 })
      #expect(whole.gradients.allSatisfy { $0[count...].allSatisfy { $0 == 0 } })
      guard filled > 0 else { return }
      let part = try evaluate(columns.map(cut), rows: filled, filled: .max, f.weights, record)
      #expect(Array(whole.values[..<filled]) == part.values)
      #expect(whole.gradients.map(cut) == part.gradients)
    }
    try compare([f.z, f.mu, f.logvar]) { $0.totalCorrelation($1[0], mu: $1[1], logvar: $1[2]) }
    try compare([f.z]) { $0.priorDiscrepancy($1[0]) }
  }

  @Test("Both terms are added to the loss with their weights and do not change recon and KL")
  func objective() throws {
    var settings = ModelSettings()
    (settings[.hidden], settings.latent) = ([8], 3)
    settings.image = ImageShape(rows: 1, columns: 6, channels: 1)
    func terms(_ change: (inout Objective) -> Void) throws -> (
      recon: [Float], kl: [Float], loss: [Float], graph: ELBOGraph
    ) {
      var objective = Objective()
      change(&objective)
      let model = try VariationalAutoencoder(settings, likelihood: Bernoulli(), objective: objective, seed: 3)
      let elbo = model.elboGraph(batch: 5, gradients: true)
      for i in 0..<elbo.x.count { elbo.graph[elbo.x][i] = Float(i % 7) / 7 }
      elbo.graph[elbo.terms.bound.beta][0] = 2
      elbo.graph.forward(.drawn())
      func values(_ tensor: Tensor) -> [Float] { (0..<5).map { elbo.graph[tensor][$0] } }
      return (values(elbo.terms.reconstruction), values(elbo.terms.bound.kl), values(elbo.terms.loss), elbo)
    }
    let plain = try terms { _ in }
    let both = try terms { ($0.totalCorrelation, $0.discrepancy) = (3, 50) }
    #expect(plain.recon == both.recon && plain.kl == both.kl)
    let elbo = both.graph, graph = both.graph.graph
    let spread = try #require(elbo.logvar)
    let z = (0..<15).map { graph[elbo.z][$0] }, mu = (0..<15).map { graph[elbo.code][$0] }
    let logvar = (0..<15).map { graph[spread][$0] }, ones = [Float](repeating: 1, count: 5)
    let tc = try evaluate([z, mu, logvar], rows: 5, filled: 5, ones) {
      $0.totalCorrelation($1[0], mu: $1[1], logvar: $1[2])
    }.values
    let mmd = try evaluate([z], rows: 5, filled: 5, ones) { $0.priorDiscrepancy($1[0]) }.values
    for i in 0..<5 {
      let expected = plain.loss[i] + 3 * tc[i] + 50 * mmd[i]
      #expect(abs(both.loss[i] - expected) <= 1e-5 * abs(expected))
      #expect(tc[i] != 0 && mmd[i] != 0)
    }
  }
}
