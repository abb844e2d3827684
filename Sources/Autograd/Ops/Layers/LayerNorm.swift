import Kernels

/// y = (x - mean) / sqrt(variance + epsilon) * w + b. Mean and variance are computed over the last axis. x and y
/// (..., n), w and b (n). Source: Ba et al., 2016.
struct LayerNorm: Operation {
  static let name = "layer norm"
  let x, weight, bias, y: Tensor
  /// Mean and 1 / standard deviation of each row. (rows, 2)
  let statistics: Tensor
  let epsilon: Float
  var inputs: [Tensor] { [x, weight, bias] }
  var outputs: [Tensor] { [y] }
  var kept: [Tensor] { [statistics] }
  private var rows: Int { x.count / weight.count }

  func forward(_ memory: Memory) {
    vd_layer_norm(
      memory[y], memory[statistics], memory[x], memory[weight], memory[bias], rows, weight.count, epsilon)
  }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y) else { return }
    let gx = memory.product(into: x)
    vd_layer_norm_backward(
      gx?.base, memory.gradient(weight), memory.gradient(bias), gy, memory[statistics], memory[x], memory[weight],
      rows, weight.count, gx?.beta == 1 ? 1 : 0)
  }
}

extension LayerNorm: PortableOperation {
  func translate(_ t: Translation) {
    t[y] = t.writer.node(
      "LayerNormalization", [t[x], t[weight], t[bias]], ["axis": .integer(-1), "epsilon": .float(epsilon)])
  }
}

extension Graph {
  /// Layer normalization over the last axis, as in torch.nn.LayerNorm. x (batch, ..., n), weight and bias (n). Returns
  /// the shape of x.
  package func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float = 1e-5) -> Tensor {
    let width = x.shape[x.shape.rank - 1]
    precondition(
      x.shape.rank > 1 && weight.shape == [width] && bias.shape == [width],
      "layer norm \(scopeName): input \(x.shape), weight \(weight.shape), bias \(bias.shape)")
    let y = output(x.shape, of: [x, weight, bias])
    record(
      LayerNorm(
        x: x, weight: weight, bias: bias, y: y, statistics: scratch([x.count / width, 2]), epsilon: epsilon))
    return y
  }
}
