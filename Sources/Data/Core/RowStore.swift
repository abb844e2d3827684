import Glibc
import Kernels

/// Rows of some ranges, kept in memory in their stored encoding.
final class RowStore {
  /// The ranges, sorted and disjoint.
  let ranges: [Range<Int>]
  let rowBytes: Int
  private let base: UnsafeMutableRawPointer

  init(_ ranges: [Range<Int>], rowBytes: Int, name: String) throws(Failure) {
    self.ranges = merged(ranges)
    self.rowBytes = rowBytes
    let rows = self.ranges.reduce(0) { $0 + $1.count }
    guard let bytes = checkedProduct([rows, rowBytes]), let base = malloc(max(bytes, 1)) else {
      throw Failure(
        .failure, "\(name): no memory for \(rows) rows of \(rowBytes) bytes", hint: "use more ranks, or smaller data")
    }
    self.base = base
  }

  deinit { free(base) }

  /// Returns the bytes of a row, which must have been prepared.
  func row(_ row: Int) -> UnsafeMutableRawPointer {
    var first = 0
    for range in ranges {
      if range.contains(row) { return base + (first + row - range.lowerBound) * rowBytes }
      first += range.count
    }
    preconditionFailure("row \(row) was not prepared; prepared are \(ranges)")
  }

  /// Keeps the prepared rows of a row-major stream that is positioned at its first row.
  func fill(from stream: any ByteStream, count: Int) throws(Failure) {
    var next = 0
    for range in ranges {
      try stream.skip((range.lowerBound - next) * rowBytes)
      try stream.read(into: row(range.lowerBound), count: range.count * rowBytes)
      next = range.upperBound
    }
    try stream.skip((count - next) * rowBytes)
  }

  /// Keeps the prepared rows of a column-major stream in row-major order. It needs memory for one more column.
  func fill(fromColumns stream: any ByteStream, layout: ArrayLayout) throws(Failure) {
    let size = layout.encoding.type.byteCount
    let longest = ranges.map(\.count).max() ?? 0
    let column = UnsafeMutableRawPointer.allocate(byteCount: max(longest * size, 1), alignment: 16)
    defer { column.deallocate() }
    for number in 0..<layout.shape.elementCount {
      let place = layout.rowMajorElement(number) * size
      var next = 0
      for range in ranges {
        try stream.skip((range.lowerBound - next) * size)
        try stream.read(into: column, count: range.count * size)
        next = range.upperBound
        let target = row(range.lowerBound) + place
        switch size {
        case 1: scatter(UInt8.self, column, range.count, target)
        case 2: scatter(UInt16.self, column, range.count, target)
        case 4: scatter(UInt32.self, column, range.count, target)
        default: scatter(UInt64.self, column, range.count, target)
        }
      }
      try stream.skip((layout.count - next) * size)
    }
  }

  @inline(__always)
  private func scatter<Word: BitwiseCopyable>(
    _: Word.Type, _ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutableRawPointer
  ) {
    for i in 0..<count {
      let word = source.loadUnaligned(fromByteOffset: i * MemoryLayout<Word>.size, as: Word.self)
      target.storeBytes(of: word, toByteOffset: i * rowBytes, as: Word.self)
    }
  }
}
