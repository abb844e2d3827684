import Kernels

/// loss_i = 1 - MS-SSIM(x_i, y_i) for images in [0, 1], averaged over channels. It uses as many of the five scales as
/// the image size allows, with weights normalised to sum to 1.
///
/// Source: Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality assessment", 2003.
struct StructuralDissimilarity: Operation {
  static let name = "structural dissimilarity"
  let image: ImageShape
  let x, y, planes, loss: Tensor
  var inputs: [Tensor] { [x, y] }
  var outputs: [Tensor] { [loss] }
  var workspace: [Tensor] { [planes] }

  func forward(_ memory: Memory) {
    vd_dissimilarity(
      memory[loss], memory[x], memory[y], memory[planes], x.rows, image.rows, image.columns, image.channels)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(loss), let gy = memory.gradient(y) else { return }
    vd_dissimilarity_backward(
      gy, g, memory[x], memory[y], memory[planes], x.rows, image.rows, image.columns, image.channels)
  }
}

extension Graph {
  /// 1 - MS-SSIM(x, y) for each sample. x is data and is not differentiated. x, y (batch, image) -> (batch)
  package func dissimilarity(_ x: Tensor, _ y: Tensor, image: ImageShape) -> Tensor {
    precondition(
      x.count == y.count && x.columns == image.count, "dissimilarity of \(x.shape) and \(y.shape), images \(image)")
    requireConstant(x, "dissimilarity: data")
    let loss = output([x.rows], of: [y])
    let planes = scratch([vd_similarity_workspace(image.rows, image.columns)])
    record(StructuralDissimilarity(image: image, x: x, y: y, planes: planes, loss: loss))
    return loss
  }
}
