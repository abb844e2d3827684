import Autograd
import Foundation
import Kernels
import TestSupport
import Testing
import VAE

/// The values of torch.distributions, one column for each distribution.
private struct Values: Decodable {
  struct ContinuousBernoulli: Decodable {
    let logit, x: [Float]
    let result, mean: [Double]
  }
  struct Laplace: Decodable {
    let x, mean, logScale: [Float]
    let result: [Double]
  }
  struct DiscretizedLogistic: Decodable {
    let level, mean, logScale: [Float]
    let result: [Double]
  }
  let continuousBernoulli: ContinuousBernoulli
  let laplace: Laplace
  let discretizedLogistic: DiscretizedLogistic
}

private func evaluate(_ leaves: [[Float]], rows: Int, _ record: (Graph, [Tensor]) -> Tensor) -> [Double] {
  let graph = Graph(batch: rows, recordsGradients: false)
  let inputs = leaves.map { graph.input([rows, $0.count / rows]) }
  let y = record(graph, inputs)
  let none = Buffer(count: 0)
  graph.finalize(parameters: none.base)
  for (tensor, values) in zip(inputs, leaves) { graph[tensor].update(from: values, count: values.count) }
  graph.forward()
  return (0..<y.count).map { Double(graph[y][$0]) }
}

private func interleaved(_ a: [Float], _ b: [Float]) -> [Float] { zip(a, b).flatMap { [$0, $1] } }

@Suite struct LikelihoodTests {
  @Test("Continuous Bernoulli, Laplace and discretised logistic equal those of torch.distributions")
  func densities() throws {
    let values = try fixture("distributions.json", as: Values.self)
    let c = values.continuousBernoulli
    let continuous = evaluate([c.x, c.logit], rows: c.x.count) {
      $0.likelihood($1[0], location: $1[1], .continuousBernoulli)
    }
    let means = evaluate([c.logit], rows: c.x.count) { $0.likelihoodMean($1[0], .continuousBernoulli) }
    for i in c.x.indices {
      // torch uses a clamped probability, so the logit is rounded, and a series near 1/2.
      let tolerance = 6 * ulp * (abs(c.result[i]) + Double(abs(c.logit[i])) + 1)
      #expect(abs(continuous[i] + c.result[i]) <= tolerance, "log p(\(c.x[i]) | \(c.logit[i])) = \(-continuous[i])")
      #expect(abs(means[i] - c.mean[i]) <= 4 * ulp, "mean of \(c.logit[i])")
    }
    let l = values.laplace
    for i in l.x.indices {
      let ours = evaluate([[l.x[i]], [l.mean[i]]], rows: 1) {
        $0.laplace($1[0], mean: $1[1], logScale: $0.constant(l.logScale[i]))
      }[0]
      let size = Double(abs(l.x[i] - l.mean[i])) / exp(Double(l.logScale[i])) + Double(abs(l.logScale[i])) + 1
      #expect(abs(ours + l.result[i]) <= 6 * ulp * size, "x \(l.x[i]), mean \(l.mean[i])")
    }
    let d = values.discretizedLogistic
    let bins = evaluate([d.level.map { $0 / 255 }, interleaved(d.mean, d.logScale)], rows: d.level.count) {
      $0.likelihood($1[0], location: $1[1], .discretizedLogistic)
    }
    for i in bins.indices {
      // The terms are as large as the distance from the mean in scales; below, cancellation of the cdf is added.
      let distance = (abs(Double(d.level[i]) / 127.5 - 1 - Double(d.mean[i])) + 0.01) / exp(Double(d.logScale[i]))
      let tolerance = 8 * ulp * (distance + abs(d.result[i]) + 1) + 1e-16 / exp(d.result[i])
      #expect(abs(bins[i] + d.result[i]) <= tolerance, "level \(d.level[i]), mean \(d.mean[i]), \(d.logScale[i])")
    }
  }

  private func settings(_ image: ImageShape) -> ModelSettings {
    var settings = ModelSettings()
    settings[.hidden] = [8]
    settings.latent = 2
    settings.image = image
    return settings
  }

  @Test(
    "Every likelihood can be trained on colour pictures, with matching outputs and finite gradients",
    arguments: LikelihoodRegistry.all.names)
  func colour(name: String) throws {
    var chosen = LikelihoodSettings()
    chosen[.mixtures] = 4
    let image = ImageShape(rows: 5, columns: 4, channels: 3)
    let likelihood = try LikelihoodRegistry.all.make(name, chosen)
    var objective = Objective()
    objective.perceptual = 0.5
    let model = try VariationalAutoencoder(settings(image), likelihood: likelihood, objective: objective, seed: 3)
    let elbo = model.elboGraph(batch: 2, gradients: true), graph = elbo.graph
    #expect(elbo.location.columns == 20 * likelihood.outputs(channels: 3))
    for i in 0..<elbo.x.count { graph[elbo.x][i] = Float(i * 37 % 256) / 255 }
    graph[elbo.terms.bound.beta][0] = 1
    graph.forward(.drawn())
    let gradients = Buffer(count: model.store.count)
    graph.backward(from: elbo.terms.loss, seed: [1, 0.5], gradients: gradients.base)
    let values = (0..<gradients.count).map { gradients.base[$0] }
    #expect(values.allSatisfy { $0.isFinite })
    // Every output of the decoder has a gradient, except for the coefficient of a channel that has none before it.
    let bias = try #require(model.store["output.bias"])
    #expect(bias.range.count { values[$0] != 0 } >= bias.range.count * 9 / 10)
  }

  @Test("The perceptual term is part of the loss and not of the reported values")
  func perceptual() throws {
    func terms(_ weight: Float) throws -> (loss: [Float], recon: [Float], dissimilarity: [Float]) {
      let image = ImageShape(rows: 4, columns: 6, channels: 1)
      var objective = Objective()
      objective.perceptual = weight
      let model = try VariationalAutoencoder(settings(image), likelihood: Bernoulli(), objective: objective, seed: 3)
      let elbo = model.elboGraph(batch: 3, gradients: false), graph = elbo.graph
      for i in 0..<elbo.x.count { graph[elbo.x][i] = Float(i * 37 % 256) / 255 }
      graph[elbo.terms.bound.beta][0] = 1
      graph.forward(.drawn())
      func values(_ tensor: Tensor) -> [Float] { (0..<tensor.count).map { graph[tensor][$0] } }
      let decoder = model.generationGraph(batch: 3, from: .latents, [.mean])
      decoder.graph[decoder.input].update(from: graph[elbo.z], count: decoder.input.count)
      decoder.graph.forward()
      let mean = (0..<decoder[.mean].count).map { decoder.graph[decoder[.mean]][$0] }
      let apart = evaluate([values(elbo.x), mean], rows: 3) { $0.dissimilarity($1[0], $1[1], image: image) }
      return (values(elbo.terms.loss), values(elbo.terms.reconstruction), apart.map(Float.init))
    }
    let without = try terms(0), with = try terms(0.25)
    #expect(without.recon == with.recon)
    for i in 0..<3 {
      #expect(with.dissimilarity[i] > 0.1)
      #expect(abs(with.loss[i] - without.loss[i] - 0.25 * 24 * with.dissimilarity[i]) < 1e-4)
    }
  }

  @Test("Samples that a likelihood or the objective cannot model are refused with the reason")
  func refusals() throws {
    func message(_ image: ImageShape, _ likelihood: any Likelihood, perceptual: Float = 0) -> String? {
      var objective = Objective()
      objective.perceptual = perceptual
      do {
        _ = try VariationalAutoencoder(settings(image), likelihood: likelihood, objective: objective, seed: 1)
        return nil
      } catch { return error.message }
    }
    let two = ImageShape(rows: 4, columns: 4, channels: 2), vector = ImageShape(rows: 1, columns: 9, channels: 1)
    #expect(message(two, LogisticMixtures(mixtures: 2))?.contains("samples are 4x4x2") == true)
    #expect(message(two, DiscretizedLogistic()) == nil)
    #expect(message(vector, LogisticMixtures(mixtures: 2)) == nil)
    #expect(message(vector, Bernoulli(), perceptual: 1)?.contains("samples are 1x9x1") == true)
  }

  @Test("A uniform distribution over 256 levels has 8 bits per dimension, as probabilities and as a density")
  func bits() throws {
    let discrete = try #require(BitsPerDimension(.discrete, dimensions: 10, scale: [1 / 255]))
    #expect(abs(discrete(nats: 10 * log(256)) - 8) < 1e-12)
    // The density is 255/256 on a range of 256/255.
    let continuous = try #require(BitsPerDimension(.continuous, dimensions: 10, scale: [1 / 255]))
    #expect(abs(continuous(nats: 10 * log(256.0 / 255)) - 8) < 1e-6)
    let columns = try #require(BitsPerDimension(.continuous, dimensions: 2, scale: [0.5, 0.125]))
    #expect(abs(columns(nats: 0) - 2) < 1e-12)
    #expect(BitsPerDimension(.unnormalized, dimensions: 10, scale: [1]) == nil)
  }
}
