import Kernels

/// y = f(x * W + b), a convolution or a transposed convolution. x (batch, rows, columns, in), W (kernel, kernel, large
/// channels / groups, small channels), b (out), y (batch, rows', columns', out)
struct Convolution: Operation {
  static let name = "convolution"
  let x, weight, bias, y: Tensor
  let beforeActivation: Tensor?
  /// Workspace for products that write the large image: the transposed weights, and a few patches.
  let packed, patches: Tensor
  let map: ConvolutionMap
  let isTransposed: Bool
  let f: Activation
  var inputs: [Tensor] { [x, weight, bias] }
  var outputs: [Tensor] { [y] }
  var kept: [Tensor] { beforeActivation.map { [$0] } ?? [] }
  var workspace: [Tensor] { [packed, patches] }
  var multiplyAdds: Int { x.rows * map.multiplyAdds }
  var readsOutput: Bool { f.needsOutput }
  var tableBytes: Int { map.tableBytes }

  func prepare() { map.prepare() }

  func forward(_ memory: Memory) {
    product(memory, bias: memory[bias], isFused ? .relu : .set)
    guard f != .identity, !isFused else { return }
    vd_bias_activation(memory[y], beforeActivation.map { memory[$0] }, nil, y.count / y.shape[3], y.shape[3], f.code)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(y) else { return }
    let gb = memory.gradient(bias), pixels = y.count / y.shape[3]
    if f == .relu {
      vd_relu_backward_sums(g, memory[y], gb, pixels, y.shape[3])
    } else {
      vd_activation_backward(g, memory[y], beforeActivation.map { memory[$0] }, y.count, f.code)
      if let gb { vd_column_sums(gb, g, pixels, y.shape[3]) }
    }
    gradientProducts(memory, g)
  }

  func products(_ memory: Memory) {
    product(memory, bias: nil, .set)
    guard let g = memory.gradient(y) else { return }
    gradientProducts(memory, g)
  }

  /// Whether the convolution kernel applies the activation.
  private var isFused: Bool { f == .relu && !(isTransposed && map.scatters) }

  private func product(_ memory: Memory, bias: UnsafePointer<Float>?, _ mode: ConvolutionMap.Mode) {
    if isTransposed {
      map.toLarge(
        memory[y], from: memory[x], weight: memory[weight], bias: bias, mode, packed: memory[packed],
        patches: memory[patches], samples: x.rows)
    } else {
      map.toSmall(
        memory[y], from: memory[x], weight: memory[weight], bias: bias, mode, samples: x.rows)
    }
  }

  private func gradientProducts(_ memory: Memory, _ g: UnsafeMutablePointer<Float>) {
    if let gw = memory.gradient(weight) {
      let large = isTransposed ? UnsafePointer(g) : UnsafePointer(memory[x])
      map.weightGradient(gw, large: large, small: isTransposed ? memory[x] : g, samples: x.rows)
    }
    guard let gx = memory.product(into: x) else { return }
    let mode: ConvolutionMap.Mode = gx.beta == 0 ? .set : .add
    if isTransposed {
      map.toSmall(gx.base, from: g, weight: memory[weight], bias: nil, mode, samples: x.rows)
    } else {
      map.toLarge(
        gx.base, from: g, weight: memory[weight], bias: nil, mode, packed: memory[packed],
        patches: memory[patches], samples: x.rows)
    }
  }
}

extension Convolution: PortableOperation {
  func translate(_ t: Translation) {
    let window = map.window
    var attributes: [String: PortableGraph.Attribute] = [
      "kernel_shape": .integers([window.kernel, window.kernel]), "strides": .integers([window.stride, window.stride]),
      "pads": .integers(Array(repeating: window.padding, count: 4)), "group": .integer(window.groups),
    ]
    if isTransposed {
      attributes["output_padding"] = .integers([
        map.large.rows - window.enlarged(map.small.rows), map.large.columns - window.enlarged(map.small.columns),
      ])
    }
    let inputs = [t[images: x], t.weights(weight, order: [3, 2, 0, 1]), t[bias]]
    t[images: y] = f.translate(t.writer.node(isTransposed ? "ConvTranspose" : "Conv", inputs, attributes))
  }
}

extension Graph {
  /// y = f(x * W + b), as in torch.nn.Conv2d, with channels last. x (batch, rows, columns, in), weight
  /// (kernel, kernel, in / groups, out), bias (out) -> (batch, rows', columns', out)
  package func convolution(
    _ x: Tensor, weight: Tensor, bias: Tensor, window: ConvolutionWindow, activation f: Activation = .identity
  ) -> Tensor {
    let large = image(x)
    guard let rows = window.reduced(large.rows), let columns = window.reduced(large.columns) else {
      preconditionFailure("convolution \(scopeName): a window of \(window.kernel) over \(large)")
    }
    let small = ImageShape(rows: rows, columns: columns, channels: bias.count)
    return convolution(
      x, weight, bias, ConvolutionMap(large: large, small: small, window: window), isTransposed: false, to: small, f)
  }

  /// y = f(x *^T W + b), as in torch.nn.ConvTranspose2d, with channels last. The output padding is chosen so that y has
  /// the shape `large`. x (batch, rows, columns, in), weight (kernel, kernel, out / groups, in), bias (out) ->
  /// (batch, large)
  package func transposedConvolution(
    _ x: Tensor, weight: Tensor, bias: Tensor, window: ConvolutionWindow, to large: ImageShape,
    activation f: Activation = .identity
  ) -> Tensor {
    let small = image(x)
    precondition(
      window.reduced(large.rows) == small.rows && window.reduced(large.columns) == small.columns
        && large.channels == bias.count,
      "transposed convolution \(scopeName): \(small) does not become \(large)")
    return convolution(
      x, weight, bias, ConvolutionMap(large: large, small: small, window: window), isTransposed: true, to: large, f)
  }

  private func image(_ x: Tensor) -> ImageShape {
    precondition(x.shape.rank == 4, "\(scopeName): \(x.shape) is no batch of images")
    return ImageShape(rows: x.shape[1], columns: x.shape[2], channels: x.shape[3])
  }

  private func convolution(
    _ x: Tensor, _ weight: Tensor, _ bias: Tensor, _ map: ConvolutionMap, isTransposed: Bool, to image: ImageShape,
    _ f: Activation
  ) -> Tensor {
    precondition(
      map.large.channels % map.window.groups == 0 && map.small.channels % map.window.groups == 0
        && weight.shape == [map.window.kernel, map.window.kernel, map.largeDepth, map.small.channels],
      "convolution \(scopeName): weight \(weight.shape), images \(map.large) and \(map.small), \(map.window) do not fit"
    )
    let shape: Shape = [x.rows, image.rows, image.columns, image.channels]
    let y = output(shape, of: [x, weight, bias])
    let turns = isTransposed || needsGradient(x)
    record(
      Convolution(
        x: x, weight: weight, bias: bias, y: y, beforeActivation: f.needsInput ? scratch(shape) : nil,
        packed: scratch([turns ? map.packedCount : 1]),
        patches: scratch([turns && map.scatters ? map.patchCount : 1]), map: map, isTransposed: isTransposed, f: f))
    return y
  }
}
