import Autograd

extension ParameterScope {
  /// Group normalization f(normalised x * w + b), as in torch.nn.GroupNorm, with `weight` initialised with 1 and `bias`
  /// with 0. x (batch, ..., channels). Returns the shape of x.
  package func groupNorm(_ x: Tensor, groups: Int, activation: Activation = .identity) -> Tensor {
    let (weight, bias) = scaleAndShift(x)
    graph.scopeName = path
    defer { graph.scopeName = "" }
    return graph.groupNorm(x, weight: weight, bias: bias, groups: groups, activation: activation)
  }

  /// Layer normalization over the last axis, as in torch.nn.LayerNorm. x (batch, ..., n). Returns the shape of x.
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
