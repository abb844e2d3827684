import Kernels

/// The layout of a parameter in files, which is PyTorch's, if it differs from the layout in memory.
///
/// Images are (rows, columns, channels) in memory and (channels, rows, columns) in PyTorch. The same holds for the
/// weights of convolutions, and for the rows or columns of a matrix next to a flattened image.
package struct TorchLayout: Equatable, Sendable {
  /// Dimensions of the values in memory, outermost first.
  package let extents: [Int]
  /// The axes in memory, in the order of the file.
  package let order: [Int]
  /// Number of values at the end of each row (outermost axis) that have the same order in files and in memory.
  package let tail: Int
  /// The shape in the file, where some axes are merged.
  package let shape: [Int]

  package init(extents: [Int], order: [Int], tail: Int = 0, shape: [Int]) {
    precondition(order.sorted() == Array(extents.indices), "\(order) is not an order of \(extents.count) axes")
    precondition(tail == 0 || order[0] == 0, "a tail of \(tail) behind axes in the order \(order)")
    precondition(
      shape.reduce(1, *) == extents.reduce(1, *) + extents[0] * tail,
      "\(extents) and \(tail) have not as many values as \(shape)")
    (self.extents, self.order, self.tail, self.shape) = (extents, order, tail, shape)
  }

  /// Convolution weights: (kernel, kernel, in / groups, out) in memory -> (out, in / groups, kernel, kernel) in files.
  static func convolution(_ shape: [Int]) -> TorchLayout {
    TorchLayout(extents: shape, order: [3, 2, 0, 1], shape: [3, 2, 0, 1].map { shape[$0] })
  }

  /// Columns of a matrix: (out, rows * columns * channels + tail) -> (out, channels * rows * columns + tail).
  package static func columns(of image: [Int], tail: Int = 0, outputs: Int) -> TorchLayout {
    TorchLayout(
      extents: [outputs] + image, order: [0, 3, 1, 2], tail: tail, shape: [outputs, image.reduce(1, *) + tail])
  }

  /// Rows of a matrix, or a vector: (rows * columns * channels, in) -> (channels * rows * columns, in).
  package static func rows(of image: [Int], inputs: Int?) -> TorchLayout {
    let count = image.reduce(1, *)
    guard let inputs else { return TorchLayout(extents: image, order: [2, 0, 1], shape: [count]) }
    return TorchLayout(extents: image + [inputs], order: [2, 0, 1, 3], shape: [count, inputs])
  }

  /// Copies values from the memory layout to the file layout.
  package func write(_ memory: UnsafePointer<Float>, to file: UnsafeMutablePointer<Float>) {
    walk { place, i in file[i] = memory[place] }
  }

  /// Copies values from the file layout to the memory layout.
  package func read(_ file: UnsafePointer<Float>, to memory: UnsafeMutablePointer<Float>) {
    walk { place, i in memory[place] = file[i] }
  }

  /// Visits all values in the order of the file.
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

/// The contents of a parameter-sized buffer in the file layout. Parameters with the same layout in memory and in files
/// refer to the buffer itself, and the others are copied.
package final class FileValues {
  package private(set) var chunks: [UnsafeRawBufferPointer] = []
  private var turned: UnsafeMutablePointer<Float>

  /// - learnedOnly: whether to omit statistics.
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
