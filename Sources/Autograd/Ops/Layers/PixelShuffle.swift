import Kernels

/// Moves channels to pixels: y[f r + i, f c + j, k] = x[r, c, (k f + i) f + j]. x (batch, rows, columns, f f channels),
/// y (batch, f rows, f columns, channels). Source: Shi et al., 2016.
struct PixelShuffle: Operation {
  static let name = "pixel shuffle"
  let x, y: Tensor
  let factor: Int
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [y] }
  private var rows: Int { x.rows * x.shape[1] }

  func forward(_ memory: Memory) {
    vd_pixel_shuffle(memory[y], memory[x], rows, x.shape[2], y.shape[3], factor)
  }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y), let gx = memory.product(into: x) else { return }
    vd_pixel_shuffle_backward(gx.base, gy, rows, x.shape[2], y.shape[3], factor, gx.beta == 1 ? 1 : 0)
  }
}

extension PixelShuffle: PortableOperation {
  func translate(_ t: Translation) {
    t[images: y] = t.writer.node(
      "DepthToSpace", [t[images: x]], ["blocksize": .integer(factor), "mode": .text("CRD")])
  }
}

extension Graph {
  /// Pixel shuffle, as in torch.nn.PixelShuffle. A channel index of x consists of the channel of y, the row and the
  /// column within the new pixels; the column varies fastest. (batch, rows, columns, factor^2 channels) -> (batch,
  /// factor rows, factor columns, channels)
  package func pixelShuffle(_ x: Tensor, by factor: Int) -> Tensor {
    precondition(
      x.shape.rank == 4 && factor > 0 && x.shape[3] % (factor * factor) == 0,
      "pixel shuffle \(scopeName): \(x.shape) by \(factor)")
    let y = output(
      [x.rows, factor * x.shape[1], factor * x.shape[2], x.shape[3] / (factor * factor)], of: [x])
    record(PixelShuffle(x: x, y: y, factor: factor))
    return y
  }
}
