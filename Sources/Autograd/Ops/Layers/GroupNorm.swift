import Kernels

/// y = f((x - mean) / sqrt(variance + epsilon) * w + b). Mean and variance are computed for each sample and each group
/// of channels, over all pixels. x and y (batch, ..., channels), w and b (channels). Source: Wu and He, 2018.
struct GroupNorm: Operation {
  static let name = "group norm"
  let x, weight, bias, y: Tensor
  /// Mean and 1 / standard deviation of each group. (batch, groups, 2)
  let statistics: Tensor
  let work: Tensor
  let groups: Int
  let epsilon: Float
  let f: Activation
  var inputs: [Tensor] { [x, weight, bias] }
  var outputs: [Tensor] { [y] }
  var kept: [Tensor] { [statistics] }
  var workspace: [Tensor] { [work] }
  private var pixels: Int { x.columns / weight.count }

  func forward(_ memory: Memory) {
    vd_group_norm(
      memory[y], memory[statistics], memory[work], memory[x], memory[weight], memory[bias], x.rows, pixels,
      weight.count, groups, epsilon, f.code)
  }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y) else { return }
    let gx = memory.product(into: x)
    vd_group_norm_backward(
      gx?.base, memory.gradient(weight), memory.gradient(bias), gy, memory[work], memory[y], memory[statistics],
      memory[x], memory[weight], memory[bias], x.rows, pixels, weight.count, groups, gx?.beta == 1 ? 1 : 0, f.code)
  }
}

extension GroupNorm: PortableOperation {
  func translate(_ t: Translation) {
    let channels = weight.count, image = Array(x.shape.dimensions.dropFirst().dropLast())
    precondition(x.shape.rank == 2 || x.shape.rank == 4, "a group norm over \(x.shape) has no translation")
    // ONNX opset 17 has no group normalization, so each group is normalised as one channel of an instance
    // normalization.
    let flat = t[images: x].reshaped([groups, -1])
    let (ones, zeros) = ([Float](repeating: 1, count: groups), [Float](repeating: 0, count: groups))
    let normal = t.writer.node(
      "InstanceNormalization", [flat, t.writer.list(ones), t.writer.list(zeros)], ["epsilon": .float(epsilon)])
    let perChannel = [channels] + image.map { _ in 1 }
    t[images: y] = f.translate(
      normal.reshaped([channels] + image) * t.weights(weight, extents: perChannel)
        + t.weights(bias, extents: perChannel))
  }
}

extension Graph {
  /// Group normalization, as in torch.nn.GroupNorm. Each group is a contiguous range of channels. x
  /// (batch, ..., channels), weight and bias (channels). Returns the shape of x.
  package func groupNorm(
    _ x: Tensor, weight: Tensor, bias: Tensor, groups: Int, epsilon: Float = 1e-5, activation f: Activation = .identity
  ) -> Tensor {
    let channels = x.shape[x.shape.rank - 1]
    precondition(
      x.shape.rank > 1 && weight.shape == [channels] && bias.shape == [channels] && groups > 0
        && channels % groups == 0,
      "group norm \(scopeName): input \(x.shape), weight \(weight.shape), bias \(bias.shape), \(groups) groups")
    let y = output(x.shape, of: [x, weight, bias])
    record(
      GroupNorm(
        x: x, weight: weight, bias: bias, y: y, statistics: scratch([x.rows, groups, 2]),
        work: scratch([vd_group_norm_work(channels)]), groups: groups, epsilon: epsilon, f: f))
    return y
  }
}
