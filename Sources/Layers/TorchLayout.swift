import Kernels

/// How the values of a parameter lie in files, where that is not how they lie in memory: as PyTorch has them.
///
/// Images are (rows, columns, channels) in memory and (channels, rows, columns) in PyTorch; so are the weights of
/// convolutions, and the rows or columns of a matrix beside a flattened image.
package struct TorchLayout: Equatable, Sendable {
  /// Extents of the values in memory, outermost first.
  package let extents: [Int]
  /// The axes of memory, in the order of the file.
  package let order: [Int]
  /// Values behind each of the outermost axis that lie in files as they do in memory.
  package let tail: Int
  /// What the file says; some axes are one there.
  package let shape: [Int]

  package init(extents: [Int], order: [Int], tail: Int = 0, shape: [Int]) {
    precondition(order.sorted() == Array(extents.indices), "\(order) is no order of \(extents.count) axes")
    precondition(tail == 0 || order[0] == 0, "a tail of \(tail) behind axes in the order \(order)")
    precondition(
      shape.reduce(1, *) == extents.reduce(1, *) + extents[0] * tail,
      "\(extents) and \(tail) have not as many values as \(shape)")
    (self.extents, self.order, self.tail, self.shape) = (extents, order, tail, shape)
  }

  /// (kernel, kernel, in / groups, out) -> (out, in / groups, kernel, kernel)
  static func convolution(_ shape: [Int]) -> TorchLayout {
    TorchLayout(extents: shape, order: [3, 2, 0, 1], shape: [3, 2, 0, 1].map { shape[$0] })
  }

  /// Columns of a matrix (out, rows * columns * channels + tail) -> (out, channels * rows * columns + tail).
  package static func columns(of image: [Int], tail: Int = 0, outputs: Int) -> TorchLayout {
    TorchLayout(
      extents: [outputs] + image, order: [0, 3, 1, 2], tail: tail, shape: [outputs, image.reduce(1, *) + tail])
  }

  /// Rows of a matrix (rows * columns * channels, in), or a vector -> (channels * rows * columns, in).
  package static func rows(of image: [Int], inputs: Int?) -> TorchLayout {
    let count = image.reduce(1, *)
    guard let inputs else { return TorchLayout(extents: image, order: [2, 0, 1], shape: [count]) }
    return TorchLayout(extents: image + [inputs], order: [2, 0, 1, 3], shape: [count, inputs])
  }

  /// Memory -> file.
  package func write(_ memory: UnsafePointer<Float>, to file: UnsafeMutablePointer<Float>) {
    walk { place, i in file[i] = memory[place] }
  }

  /// File -> memory.
  package func read(_ file: UnsafePointer<Float>, to memory: UnsafeMutablePointer<Float>) {
    walk { place, i in memory[place] = file[i] }
  }

  /// Visits the values in the file's order.
  private func walk(_ visit: (_ memory: Int, _ file: Int) -> Void) {
    var strides = rowMajorStrides(extents)
    strides[0] += tail
    let inner = extents.dropFirst().reduce(1, *)
    Kernels.walk(extents, strides: strides, order: order) { i, place in visit(place, i + i / inner * tail) }
    for row in 0..<extents[0] {
      let end = (row + 1) * (inner + tail)
      for i in end - tail..<end { visit(i, i) }
    }
  }
}

/// A buffer of parameters, or of something beside each of them, as files have it: pieces of the buffer itself, and
/// copies of what lies otherwise in files.
package final class FileValues {
  package private(set) var chunks: [UnsafeRawBufferPointer] = []
  private var turned: UnsafeMutablePointer<Float>

  /// - learnedOnly: statistics have nothing there.
  package init(_ store: ParameterStore, _ memory: UnsafePointer<Float>, learnedOnly: Bool = false) {
    turned = Buffer.allocate(Float.self, count: store.turnedCount)
    var free = turned
    for parameter in store.parameters where parameter.isLearned || !learnedOnly {
      let count = parameter.shape.count
      var values = memory + parameter.offset
      if let layout = parameter.layout {
        layout.write(values, to: free)
        values = UnsafePointer(free)
        free += count
      }
      chunks.append(UnsafeRawBufferPointer(start: values, count: count * MemoryLayout<Float>.stride))
    }
  }

  deinit { turned.deallocate() }
}
