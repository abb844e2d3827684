import Autograd
import Layers
import Settings

/// A model whose decoder hears nothing of z, planted to see that `evaluate` finds it; no kind that users are told of.
struct DeafDecoder: OneLayerModel {
  private let model: MLP

  init(_ model: MLP) { self.model = model }

  func posterior(of x: Tensor, given y: Tensor?, in scope: ParameterScope) -> DiagonalGaussian {
    model.posterior(of: x, given: y, in: scope)
  }

  func decode(_ z: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor {
    model.decode(scope.graph.weightedSum([(scope.graph.constant(0), z)]), given: y, in: scope)
  }
}

extension ModelMember {
  static var deafDecoder: Self {
    Self("planted-deaf-decoder", settings: networkSettings) { DeafDecoder(MLP(settings: $0)) }
  }
}
