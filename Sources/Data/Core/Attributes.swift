import Kernels

/// The attributes of a source's rows (numbers that describe each row). They are read on first use.
final class Attributes {
  let names: [String]
  private let read: () throws(Failure) -> [Float]
  private var values: [Float]?

  /// - read: returns the values, row-major (rows, names.count).
  init(_ names: [String], _ read: @escaping () throws(Failure) -> [Float]) {
    self.names = names
    self.read = read
  }

  func load() throws(Failure) -> [Float] {
    if let values { return values }
    let loaded = try read()
    values = loaded
    return loaded
  }
}

extension ArrayReader {
  /// Returns all rows as the attributes of `count` samples.
  ///
  /// Throws `badData` unless the rows are vectors and there are `count` of them.
  func attributes(of count: Int) throws(Failure) -> Attributes {
    let width = shape.elementCount
    guard !shape.isImage, self.count == count else {
      throw .malformed(
        name, "is \(self.count) x \(shape), and there are \(count) samples",
        hint: "save attributes as an array of (samples, attributes)")
    }
    return Attributes((0..<width).map { "a\($0)" }) { [self] () throws(Failure) in
      try prepare([0..<count])
      var values = [Float](repeating: 0, count: count * width)
      values.withUnsafeMutableBufferPointer { values in
        guard let base = values.baseAddress else { return }
        for row in 0..<count { read(row: row, into: base + row * width) }
      }
      guard let bad = values.firstIndex(where: { !$0.isFinite }) else { return values }
      throw .malformed(
        name, "row \(bad / width + 1), column \(bad % width + 1): the value \(values[bad]) is not finite")
    }
  }
}
