import Foundation
import Kernels

/// density = log N(z; mu, exp(logvar)) for each unit, in nats. Without mu and logvar it is the standard normal density.
/// All tensors (batch, latent)
struct GaussianLogDensity: Operation {
  static let name = "Gaussian log density"
  let z: Tensor
  let mu, logvar: Tensor?
  let density: Tensor
  var inputs: [Tensor] { [z] + [mu, logvar].compactMap { $0 } }
  var outputs: [Tensor] { [density] }

  func forward(_ memory: Memory) {
    vd_log_normal(
      memory[density], memory[z], mu.map { memory[$0] }, logvar.map { memory[$0] }, z.count)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(density) else { return }
    vd_log_normal_backward(
      memory.gradient(z), mu.flatMap { memory.gradient($0) }, logvar.flatMap { memory.gradient($0) }, g, memory[z],
      mu.map { memory[$0] }, logvar.map { memory[$0] }, z.count)
  }
}

extension GaussianLogDensity: PortableOperation {
  func translate(_ t: Translation) {
    let constant = -0.5 * Float(log(2 * Double.pi)), value = t[z]
    guard let mu, let logvar else { return t[density] = constant - 0.5 * value * value }
    let d = value - t[mu], l = t[logvar]
    t[density] = constant - 0.5 * (l + d * d * (-l).exp)
  }
}

extension Graph {
  /// log N(z; mu, exp(logvar)) for each sample and unit, in nats. (batch, latent)
  package func gaussianLogDensity(_ z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor {
    precondition(
      z.shape == mu.shape && z.shape == logvar.shape,
      "Gaussian log density: z \(z.shape), mu \(mu.shape), logvar \(logvar.shape)")
    let density = output(z.shape, of: [z, mu, logvar])
    record(GaussianLogDensity(z: z, mu: mu, logvar: logvar, density: density))
    return density
  }

  /// log N(z; 0, 1) for each sample and unit, in nats. (batch, latent)
  package func standardLogDensity(_ z: Tensor) -> Tensor {
    let density = output(z.shape, of: [z])
    record(GaussianLogDensity(z: z, mu: nil, logvar: nil, density: density))
    return density
  }
}
