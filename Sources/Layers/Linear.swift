import Autograd

extension ParameterScope {
  /// f(x W^T + b) with parameters `weight` (out, in) and `bias` (out). x (batch, in) -> (batch, out)
  ///
  /// Initialised as torch.nn.Linear: both U(-1/sqrt(in), 1/sqrt(in)). An x of images is flattened, y stands behind it;
  /// `image`: what the outputs are to be seen as; `startsAtZero`: initially both 0.
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

  /// Linear layers `0`, `1`, ... of the given widths, each with the activation and then dropout; y goes into the first.
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
