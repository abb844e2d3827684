import Autograd

extension ParameterScope {
  /// Convolution f(x * W + b) with the parameters `weight` and `bias`. x (batch, rows, columns, in) ->
  /// (batch, rows', columns', channels)
  ///
  /// As in torch.nn.Conv2d, both are initialised from U(-1/sqrt(n), 1/sqrt(n)), where n is the number of inputs of an
  /// output.
  package func convolution(
    _ x: Tensor, to channels: Int, window: ConvolutionWindow, activation: Activation = .identity
  ) -> Tensor {
    let depth = x.shape[3] / window.groups
    let (weight, bias) = windowed([window.kernel, window.kernel, depth, channels], inputs: depth, window, channels)
    graph.scopeName = path
    defer { graph.scopeName = "" }
    return graph.convolution(x, weight: weight, bias: bias, window: window, activation: activation)
  }

  /// Transposed convolution f(x *^T W + b), as in torch.nn.ConvTranspose2d. x (batch, rows, columns, in) ->
  /// (batch, image)
  package func transposedConvolution(
    _ x: Tensor, to image: ImageShape, window: ConvolutionWindow, activation: Activation = .identity
  ) -> Tensor {
    let depth = image.channels / window.groups
    let (weight, bias) = windowed(
      [window.kernel, window.kernel, depth, x.shape[3]], inputs: depth, window, image.channels)
    graph.scopeName = path
    defer { graph.scopeName = "" }
    return graph.transposedConvolution(
      x, weight: weight, bias: bias, window: window, to: image, activation: activation)
  }

  private func windowed(
    _ extents: [Int], inputs: Int, _ window: ConvolutionWindow, _ channels: Int
  ) -> (weight: Tensor, bias: Tensor) {
    let bound = 1 / Float(inputs * window.kernel * window.kernel).squareRoot()
    return (
      parameter("weight", Shape(extents), .uniform(bound), layout: .convolution(extents)),
      parameter("bias", [channels], .uniform(bound))
    )
  }
}
