import Kernels

/// Where the rows of an n-dimensional array are in a file or stream. All sizes are checked for overflow.
struct ArrayLayout {
  let count: Int
  let shape: SampleShape
  let encoding: Encoding
  /// Fortran order: the row number varies fastest.
  let columnMajor: Bool
  /// Number of bytes before the first value.
  let dataOffset: Int
  let rowBytes: Int
  let dataBytes: Int

  /// The purpose of the array: samples of shape (n, d), (n, h, w) or (n, h, w, c), or labels of shape (n).
  enum Use { case samples, labels }

  init(
    _ dimensions: [Int], use: Use, encoding: Encoding, columnMajor: Bool = false, dataOffset: Int, name: String
  ) throws(Failure) {
    let text = dimensions.map(String.init).joined(separator: " x ")
    guard let count = dimensions.first else {
      throw .malformed(name, "holds a single value, not rows", hint: "save an array of (rows, columns)")
    }
    let sample = Array(dimensions.dropFirst())
    guard dimensions.allSatisfy({ $0 >= 0 }), sample.allSatisfy({ $0 > 0 }) else {
      throw .malformed(name, "has an impossible shape: \(text)")
    }
    guard count > 0 else { throw .malformed(name, "holds no rows (shape \(text))") }
    switch (use, sample.count) {
    case (.labels, 0): shape = .vector(1)
    case (.labels, _) where sample.allSatisfy { $0 == 1 }: shape = .vector(1)
    case (.labels, _): throw .malformed(name, "labels must be one number a row, not \(text)")
    case (.samples, 0):
      throw .malformed(
        name, "holds one value a row (shape \(text)): labels, or a flattened array?",
        hint: "give samples of (rows, columns), (rows, height, width) or (rows, height, width, channels)")
    case (.samples, 1): shape = .vector(sample[0])
    case (.samples, 2): shape = .image(height: sample[0], width: sample[1], channels: 1)
    case (.samples, 3): shape = .image(height: sample[0], width: sample[1], channels: sample[2])
    default:
      throw .malformed(
        name, "has \(dimensions.count) dimensions (\(text)); samples have at most 4",
        hint: "reshape it to (rows, columns), (rows, height, width) or (rows, height, width, channels)")
    }
    guard let elements = checkedProduct(sample), elements <= ArrayLayout.maximumElementCount,
      let rowBytes = checkedProduct([elements, encoding.type.byteCount]),
      let dataBytes = checkedProduct([rowBytes, count]),
      dataBytes <= Int.max - dataOffset
    else { throw .malformed(name, "claims an absurd size: \(text)", hint: "the header is damaged") }
    self.count = count
    self.encoding = encoding
    self.columnMajor = columnMajor
    self.dataOffset = dataOffset
    self.rowBytes = rowBytes
    self.dataBytes = dataBytes
  }

  /// Largest number of values in a sample of any format, which is 1 GiB of float32.
  static let maximumElementCount = 1 << 28

  /// Text for messages, such as "60000 x 28x28 u8 = 47040000 bytes".
  var summary: String { "\(count) x \(shape) \(encoding.type.rawValue) = \(dataBytes) bytes" }

  /// The row-major index of element `column` of a column-major sample.
  func rowMajorElement(_ column: Int) -> Int {
    let (y, rest) = (column % shape.height, column / shape.height)
    let (x, channel) = (rest % shape.width, rest / shape.width)
    return (y * shape.width + x) * shape.channels + channel
  }
}
