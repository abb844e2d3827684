import Autograd

extension ParameterScope {
  /// f(normalised x * w + b) with parameters `weight` of 1 and `bias` of 0, as torch.nn.GroupNorm.
  /// x (batch, ..., channels), shape unchanged
  package func groupNorm(_ x: Tensor, groups: Int, activation: Activation = .identity) -> Tensor {
    let (weight, bias) = scaleAndShift(x)
    graph.scopeName = path
    defer { graph.scopeName = "" }
    return graph.groupNorm(x, weight: weight, bias: bias, groups: groups, activation: activation)
  }

  /// Normalised x * w + b over the last axis, as torch.nn.LayerNorm. x (batch, ..., n), shape unchanged
  package func layerNorm(_ x: Tensor) -> Tensor {
    let (weight, bias) = scaleAndShift(x)
    graph.scopeName = path
    defer { graph.scopeName = "" }
    return graph.layerNorm(x, weight: weight, bias: bias)
  }

  private func scaleAndShift(_ x: Tensor) -> (weight: Tensor, bias: Tensor) {
    let width = x.shape[x.shape.rank - 1]
    return (parameter("weight", [width], .constant(1)), parameter("bias", [width], .zeros))
  }
}
