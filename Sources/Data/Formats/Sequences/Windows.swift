/// Samples of a sequence: windows of `length` consecutive rows, each of which begins `stride` rows after the one
/// before.
package struct Windows: Sendable, Equatable, Codable {
  package static let mostRows = 1 << 16

  /// Number of rows in a sample.
  package var length: Int
  /// Number of rows from the beginning of a sample to the beginning of the next.
  package var stride: Int

  package init(length: Int, stride: Int) {
    (self.length, self.stride) = (length, stride)
  }

  package var isSound: Bool { (1...Self.mostRows).contains(length) && (1...Self.mostRows).contains(stride) }

  /// The rows of sample `index`.
  package func rows(_ index: Int) -> Range<Int> { index * stride..<index * stride + length }

  /// The samples that are completely inside a range of rows.
  package func samples(in rows: Range<Int>) -> Range<Int> {
    let first = (rows.lowerBound + stride - 1) / stride
    guard rows.upperBound - length >= first * stride else { return first..<first }
    return first..<(rows.upperBound - length) / stride + 1
  }
}
