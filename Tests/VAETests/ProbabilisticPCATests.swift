import Autograd
import Foundation
import Kernels
import Optimizers
import TestSupport
import Testing
import Training
import VAE

/// A linear VAE for all rows of the data at the same time.
private final class LinearVAE {
  let autoencoder: VariationalAutoencoder
  let elbo: ELBOGraph
  private let samples: UnsafeMutablePointer<UInt64>
  var graph: Graph { elbo.graph }

  init(_ pca: PCA) throws {
    var settings = ModelSettings()
    settings[.hidden] = []
    settings.latent = PCA.latent
    settings[.activation] = .identity
    settings.image = ImageShape(rows: 1, columns: PCA.elements, channels: 1)
    autoencoder = try VariationalAutoencoder(
      settings, likelihood: GaussianLearned(), objective: Objective(), seed: 4)
    elbo = autoencoder.elboGraph(batch: PCA.count, gradients: true)
    samples = Buffer.allocate(UInt64.self, count: PCA.count)
    for i in 0..<PCA.count { samples[i] = UInt64(i) }
    elbo.graph[elbo.terms.bound.beta][0] = 1
    elbo.graph[elbo.x].update(from: pca.x.flatMap { $0 }, count: elbo.x.count)
  }

  deinit { samples.deallocate() }

  func set(_ name: String, _ values: [Double]) {
    guard let parameter = autoencoder.store[name], parameter.shape.count == values.count else {
      preconditionFailure("\(name) has not \(values.count) values")
    }
    for (i, value) in values.enumerated() { autoencoder.store.values[parameter.offset + i] = Float(value) }
  }

  func get(_ name: String) -> [Double] {
    autoencoder.store[name]?.range.map { Double(autoencoder.store.values[$0]) } ?? []
  }

  func forward(epoch: UInt32, atMean: Bool = false) {
    let replay = Replay.training(samples, filled: PCA.count, seed: 8, attempt: 0, epoch: epoch)
    graph.forward(atMean ? replay.atMean : replay)
  }

  /// -ELBO of each row, its expectation over z in closed form: E|x - W z|^2 = |x - W mu|^2 + sum_j |W_j|^2 var_j.
  func expectedNegativeELBO() -> [Double] {
    forward(epoch: 0, atMean: true)
    let weight = get("output.weight"), precision = exp(-2 * get("likelihood.log_sigma")[0])
    let norms = (0..<PCA.latent).map { j in
      (0..<PCA.elements).reduce(0.0) { $0 + pow(weight[$1 * PCA.latent + j], 2) }
    }
    guard let logvar = graph[elbo.logvar] else { return [] }
    return (0..<PCA.count).map { row in
      let spread = (0..<PCA.latent).reduce(0.0) { $0 + norms[$1] * exp(Double(logvar[row * PCA.latent + $1])) }
      let negativeELBO = Double(graph[elbo.terms.reconstruction][row]) + Double(graph[elbo.terms.bound.kl][row])
      return negativeELBO + spread * precision / 2
    }
  }

  func setOptimum(_ pca: PCA) { for (name, values) in pca.optimum { set(name, values) } }
}

/// A linear VAE with a Gaussian likelihood is probabilistic PCA, whose likelihood is known in closed form.
@Suite struct ProbabilisticPCATests {
  @Test("At the optimum, -ELBO equals -log p(x) for every sample")
  func optimum() throws {
    let pca = PCA(), vae = try LinearVAE(pca)
    #expect(zip(pca.values, pca.values.dropFirst()).allSatisfy { $0 > $1 } && pca.values[PCA.elements - 1] > 0)
    vae.setOptimum(pca)
    for (row, ours) in vae.expectedNegativeELBO().enumerated() {
      // The loss has six squares over sigma^2 = 0.36 in float32, for data up to about 8: a few ulp of the loss.
      #expect(abs(ours + pca.logLikelihood(pca.x[row])) <= 16 * ulp * max(10, ours), "sample \(row)")
    }
  }

  @Test("At the optimum, the mean over drawn noise equals the expectation within its standard error")
  func drawnNoise() throws {
    let pca = PCA(), vae = try LinearVAE(pca)
    vae.setOptimum(pca)
    let draws = 400
    var sums = [Double]()
    for epoch in 0..<UInt32(draws) {
      vae.forward(epoch: epoch)
      let loss = vae.graph[vae.elbo.terms.loss]
      sums.append((0..<PCA.count).reduce(0.0) { $0 + Double(loss[$1]) } / Double(PCA.count))
    }
    let mean = sums.reduce(0, +) / Double(draws)
    let variance = sums.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws - 1)
    let standardError = (variance / Double(draws)).squareRoot()
    #expect(standardError < 0.01)
    #expect(abs(mean + pca.meanLogLikelihood) < 4 * standardError, "\(mean), \(-pca.meanLogLikelihood)")
  }

  @Test("Away from the optimum, the ELBO is below the likelihood")
  func bound() throws {
    let pca = PCA(), vae = try LinearVAE(pca)
    let best = -pca.meanLogLikelihood
    for (name, change) in [
      ("logvar.bias", 0.5), ("mu.bias", 0.1), ("output.weight", 0.1), ("likelihood.log_sigma", 0.1),
    ] {
      vae.setOptimum(pca)
      vae.set(name, vae.get(name).map { $0 + change })
      let ours = vae.expectedNegativeELBO().reduce(0, +) / Double(PCA.count)
      #expect(ours > best + 1e-3, "\(name)")
    }
  }

  @Test("Adam comes within 0.01 nats of the likelihood from random weights and never exceeds it")
  func training() throws {
    let pca = PCA(), vae = try LinearVAE(pca)
    let store = vae.autoencoder.store
    var settings = OptimizerSettings()
    settings.clipNorm = 0
    let optimizer = Optimizer(settings, count: store.count)
    let gradients = Buffer(count: store.count)
    let seeds = [Float](repeating: 1 / Float(PCA.count), count: PCA.count)
    let best = -pca.meanLogLikelihood
    func gap() -> Double { vae.expectedNegativeELBO().reduce(0, +) / Double(PCA.count) - best }
    #expect(gap() > 1)
    let steps = 3_000
    for step in 0..<steps {
      vae.forward(epoch: UInt32(step))
      gradients.base.zero(gradients.count)
      vae.graph.backward(from: vae.elbo.terms.loss, seed: seeds, gradients: gradients.base)
      let rate = 0.02 * (1 + cos(Double.pi * Double(step) / Double(steps))) / 2
      optimizer.step(store.values, gradient: gradients.base, rate: rate, scale: 1, update: step + 1)
      if step % 500 == 0 { #expect(gap() > -1e-4) }
    }
    // With 500 samples of noise per step, some noise remains in the parameters, and its second order is the gap.
    #expect(gap() < 0.01 && gap() > -1e-4, "gap \(gap())")
    // The VAE finds the axes of PCA and not only their plane, because a diagonal posterior does not fit a rotation.
    let weight = vae.get("output.weight")
    for vector in pca.vectors.prefix(PCA.latent) {
      let cosines = (0..<PCA.latent).map { j -> Double in
        let column = (0..<PCA.elements).map { weight[$0 * PCA.latent + j] }
        let norm = column.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return abs(zip(column, vector).reduce(0) { $0 + $1.0 * $1.1 }) / norm
      }
      #expect((cosines.max() ?? 0) > 0.995, "\(cosines)")
    }
  }
}
