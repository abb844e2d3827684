import Autograd

extension ParameterScope {
  /// Linear layer f(x W^T + b) with the parameters `weight` (out, in) and `bias` (out). x (batch, in) -> (batch, out)
  ///
  /// As in torch.nn.Linear, both are initialised from U(-1/sqrt(in), 1/sqrt(in)).
  ///
  /// - x: the input. Images are flattened.
  /// - y: an optional second input, concatenated after x.
  /// - image: the image shape as which the outputs will be viewed.
  /// - startsAtZero: initialises both parameters with 0 instead.
  package func linear(
    _ x: Tensor, beside y: Tensor? = nil, to outputs: Int, image: ImageShape? = nil, activation: Activation = .identity,
    startsAtZero: Bool = false
  ) -> Tensor {
    var layout: TorchLayout?, biasLayout: TorchLayout?
    if x.shape.rank == 4 {
      layout = .columns(of: Array(x.shape.dimensions.dropFirst()), tail: y?.columns ?? 0, outputs: outputs)
    }
    let x = graph.beside(x, y), inputs = x.columns
    if let image {
      let extents = [image.rows, image.columns, image.channels]
      layout = .rows(of: extents, inputs: inputs)
      biasLayout = .rows(of: extents, inputs: nil)
    }
    let initial = startsAtZero ? Initialization.zeros : .uniform(1 / Float(inputs).squareRoot())
    graph.scopeName = path
    defer { graph.scopeName = "" }
    return graph.linear(
      x, weight: parameter("weight", [outputs, inputs], initial, layout: layout),
      bias: parameter("bias", [outputs], initial, layout: biasLayout), activation: activation)
  }

  /// Linear layers `0`, `1`, ... of the given widths, each followed by the activation and dropout. y is an input of the
  /// first layer only.
  package func perceptron(
    _ x: Tensor, beside y: Tensor? = nil, widths: [Int], activation: Activation, dropout: Float
  ) -> Tensor {
    var h = x
    for (i, width) in widths.enumerated() {
      h = self["\(i)"].linear(h, beside: i == 0 ? y : nil, to: width, activation: activation)
      h = graph.dropout(h, probability: dropout, stream: "dropout " + self["\(i)"].path)
    }
    return h
  }
}
