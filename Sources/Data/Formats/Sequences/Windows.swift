/// Samples of a sequence: so many rows that follow one another, each sample some rows further on.
package struct Windows: Sendable, Equatable, Codable {
  package static let mostRows = 1 << 16

  /// Rows of a sample.
  package var length: Int
  /// From the beginning of a sample to that of the next.
  package var stride: Int

  package init(length: Int, stride: Int) {
    (self.length, self.stride) = (length, stride)
  }

  package var isSound: Bool { (1...Self.mostRows).contains(length) && (1...Self.mostRows).contains(stride) }

  /// The rows of sample `index`.
  package func rows(_ index: Int) -> Range<Int> { index * stride..<index * stride + length }

  /// The samples that lie wholly in a range of rows.
  package func samples(in rows: Range<Int>) -> Range<Int> {
    let first = (rows.lowerBound + stride - 1) / stride
    guard rows.upperBound - length >= first * stride else { return first..<first }
    return first..<(rows.upperBound - length) / stride + 1
  }
}
