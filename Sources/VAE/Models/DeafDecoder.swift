import Autograd
import Layers

/// A model whose decoder hears nothing of z, planted to see that `evaluate` finds it; no kind that users are told of.
struct DeafDecoder: VariationalModel {
  static let kind = "planted-deaf-decoder"
  private let model: MLP
  var latent: Int { model.latent }

  init(_ model: MLP) { self.model = model }

  func infer(_ x: Tensor, noise: (String) -> Noise, in scope: ParameterScope) -> Inference {
    let posterior = model.posterior(of: x, in: scope), z = posterior.sample(noise("eps"), in: scope.graph)
    return Inference(
      posterior: posterior, z: z, location: decode(z, in: scope), divergences: [posterior.divergence(in: scope.graph)])
  }

  func decode(_ z: Tensor, in scope: ParameterScope) -> Tensor {
    model.decode(scope.graph.weightedSum([(scope.graph.constant(0), z)]), in: scope)
  }
}
