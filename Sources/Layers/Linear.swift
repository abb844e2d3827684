import Autograd

extension ParameterScope {
  /// f(x W^T + b) with parameters `weight` (out, in) and `bias` (out). x (batch, in) -> (batch, out)
  ///
  /// Initialised as torch.nn.Linear: both U(-1/sqrt(in), 1/sqrt(in)).
  package func linear(_ x: Tensor, to outputs: Int, activation: Activation = .identity) -> Tensor {
    let inputs = x.columns
    let bound = 1 / Float(inputs).squareRoot()
    graph.scopeName = path
    defer { graph.scopeName = "" }
    return graph.linear(
      x, weight: parameter("weight", [outputs, inputs], .uniform(bound)),
      bias: parameter("bias", [outputs], .uniform(bound)), activation: activation)
  }

  /// Linear layers `0`, `1`, ... of the given widths, each with the activation and then dropout.
  package func perceptron(_ x: Tensor, widths: [Int], activation: Activation, dropout: Float) -> Tensor {
    var h = x
    for (i, width) in widths.enumerated() {
      h = self["\(i)"].linear(h, to: width, activation: activation)
      h = graph.dropout(h, probability: dropout, stream: "dropout " + self["\(i)"].path)
    }
    return h
  }
}
