import Kernels

/// y = f((x - mean) / sqrt(variance + epsilon) * w + b), mean and variance over the pixels and channels of a group of a
/// sample (Wu and He, 2018). x and y (batch, ..., channels), w and b (channels)
struct GroupNorm: Operation {
  static let name = "group norm"
  let x, weight, bias, y: Tensor
  /// (batch, groups, 2): mean, 1 / deviation.
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
    // As many instances as groups: opset 17 has no group norm of its own.
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
  /// Normalised over each of `groups` runs of channels, as torch.nn.GroupNorm. x (batch, ..., channels), weight and
  /// bias (channels); the shape stays.
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
