import Kernels

/// y = f(x W^T + b), with product, bias and activation in one operation. x (rows, in), W (out, in), b (out), y
/// (rows, out)
struct Linear: Operation {
  static let name = "linear"
  let x, weight, bias, y: Tensor
  let beforeActivation: Tensor?
  let f: Activation
  var inputs: [Tensor] { [x, weight, bias] }
  var outputs: [Tensor] { [y] }
  var kept: [Tensor] { beforeActivation.map { [$0] } ?? [] }
  var multiplyAdds: Int { x.rows * weight.count }
  var readsOutput: Bool { f.needsOutput }

  func forward(_ memory: Memory) {
    let rows = x.rows, columns = y.columns
    Products.multiply(rows, columns, x.columns, memory[x], memory[weight], transposedB: true, beta: 0, into: memory[y])
    vd_bias_activation(memory[y], beforeActivation.map { memory[$0] }, memory[bias], rows, columns, f.code)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(y) else { return }
    let rows = x.rows, columns = y.columns
    vd_activation_backward(g, memory[y], beforeActivation.map { memory[$0] }, y.count, f.code)
    if let gw = memory.product(into: weight) {
      Products.multiply(columns, x.columns, rows, g, transposedA: true, memory[x], beta: gw.beta, into: gw.base)
    }
    if let gb = memory.gradient(bias) { vd_column_sums(gb, g, rows, columns) }
    if let gx = memory.product(into: x) {
      Products.multiply(rows, x.columns, columns, g, memory[weight], beta: gx.beta, into: gx.base)
    }
  }

  func products(_ memory: Memory) {
    let rows = x.rows, columns = y.columns
    Products.multiply(rows, columns, x.columns, memory[x], memory[weight], transposedB: true, beta: 0, into: memory[y])
    guard let g = memory.gradient(y) else { return }
    if let gw = memory.gradient(weight) {
      Products.multiply(columns, x.columns, rows, g, transposedA: true, memory[x], beta: 0, into: gw)
    }
    if let gx = memory.gradient(x) {
      Products.multiply(rows, x.columns, columns, g, memory[weight], beta: 0, into: gx)
    }
  }
}

extension Linear: PortableOperation {
  func translate(_ t: Translation) {
    t[y] = f.translate(t.writer.node("Gemm", [t[rows: x], t[weight], t[bias]], ["transB": .integer(1)]))
  }
}

extension Graph {
  /// Applies y = f(x W^T + b) to every row of x. x (rows, in), weight (out, in), bias (out) -> (rows, out)
  ///
  /// The number of rows is the batch size, or a multiple of it if a sample has several rows. View a tensor
  /// (batch, n, in) as (batch n, in) first. A batch of images (batch, rows, columns, channels) counts as one row for
  /// each image.
  package func linear(_ x: Tensor, weight: Tensor, bias: Tensor, activation f: Activation = .identity) -> Tensor {
    requireRowsOfSamples(x, "linear")
    precondition(
      x.shape.rank == 2 || x.shape.rank == 4 && x.rows == batch,
      "linear \(scopeName): input \(x.shape) is neither rows nor an image of each sample")
    precondition(
      weight.shape.rank == 2 && weight.shape[1] == x.columns && bias.shape == [weight.shape[0]],
      "linear \(scopeName): input \(x.shape), weight \(weight.shape), bias \(bias.shape) do not fit")
    let shape: Shape = [x.rows, weight.shape[0]]
    let y = output(shape, of: [x, weight, bias])
    record(
      Linear(x: x, weight: weight, bias: bias, y: y, beforeActivation: f.needsInput ? scratch(shape) : nil, f: f))
    return y
  }
}
