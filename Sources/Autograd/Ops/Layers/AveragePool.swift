import Kernels

/// y = mean of x over each window. x (batch, rows, columns, channels), y (batch, rows', columns', channels)
struct AveragePool: Operation {
  static let name = "average pool"
  let x, y: Tensor
  let pool: vd_pool
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) {
    withUnsafePointer(to: pool) { vd_average_pool(memory[y], memory[x], x.rows, $0) }
  }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y), let gx = memory.gradient(x) else { return }
    withUnsafePointer(to: pool) { vd_average_pool_backward(gx, gy, x.rows, $0) }
  }
}

extension AveragePool: PortableOperation {
  func translate(_ t: Translation) {
    t[images: y] = t.writer.node(
      "AveragePool", [t[images: x]],
      [
        "kernel_shape": .integers([pool.kernel, pool.kernel]), "strides": .integers([pool.stride, pool.stride]),
        "pads": .integers(Array(repeating: pool.padding, count: 4)),
        "count_include_pad": .integer(Int(pool.counts_padding)),
      ])
  }
}

extension Graph {
  /// Average pooling, as in torch.nn.AvgPool2d. If `countsPadding` is true (count_include_pad), the mean includes the
  /// zeros of the padding. (batch, rows, columns, channels) -> (batch, rows', columns', channels)
  package func averagePool(_ x: Tensor, window: ConvolutionWindow, countsPadding: Bool = true) -> Tensor {
    guard x.shape.rank == 4, window.groups == 1, 2 * window.padding <= window.kernel,
      let rows = window.reduced(x.shape[1]), let columns = window.reduced(x.shape[2])
    else { preconditionFailure("average pool \(scopeName): \(window) over \(x.shape)") }
    let y = output([x.rows, rows, columns, x.shape[3]], of: [x])
    let pool = vd_pool(
      rows: x.shape[1], columns: x.shape[2], channels: x.shape[3], to_rows: rows, to_columns: columns,
      kernel: window.kernel, stride: window.stride, padding: window.padding, counts_padding: countsPadding ? 1 : 0)
    record(AveragePool(x: x, y: y, pool: pool))
    return y
  }
}
