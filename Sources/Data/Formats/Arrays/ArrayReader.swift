import Glibc
import Kernels

/// Rows of an array whose layout is known from a header: IDX files, NPY files and NPZ members.
///
/// A row-major file is mapped and read in place. Any other array is streamed once, and the prepared rows are kept.
final class ArrayReader: SampleReader {
  enum Backing {
    case file(InputFile)
    /// A function that returns a new stream, positioned at the first value.
    case stream(() throws(Failure) -> any ByteStream)
  }

  let name: String
  let fingerprint: String
  private let layout: ArrayLayout
  private let backing: Backing
  private var mapped: UnsafeRawPointer?
  private var store: RowStore?

  var count: Int { layout.count }
  var shape: SampleShape { layout.shape }
  var element: ElementType { layout.encoding.type }

  init(name: String, layout: ArrayLayout, fingerprint: String, backing: Backing) {
    self.name = name
    self.layout = layout
    self.fingerprint = fingerprint
    self.backing = backing
  }

  func prepare(_ ranges: [Range<Int>]) throws(Failure) {
    switch backing {
    case .file(let file) where !layout.columnMajor:
      try file.checkUnchanged()
      let base = try file.mapped() + layout.dataOffset
      mapped = base
      let page = Int(getpagesize())
      for range in ranges {
        let start = base + range.lowerBound * layout.rowBytes
        let aligned = start - Int(bitPattern: start) % page
        let bytes = start - aligned + range.count * layout.rowBytes
        madvise(UnsafeMutableRawPointer(mutating: aligned), bytes, MADV_WILLNEED)
      }
    case .file(let file):
      try keep(ranges) { () throws(Failure) in
        let stream = try MappedStream(file)
        try stream.skip(layout.dataOffset)
        return stream
      }
    case .stream(let open):
      try keep(ranges, open)
    }
  }

  private func keep(_ ranges: [Range<Int>], _ open: () throws(Failure) -> any ByteStream) throws(Failure) {
    let ranges = merged(ranges)
    if let store, store.ranges == ranges { return }
    store = nil
    let activity = Activity("reading \(name)", of: count * layout.rowBytes)
    defer { activity.end() }
    let stream = try open()
    let fresh = try RowStore(ranges, rowBytes: layout.rowBytes, name: name)
    if layout.columnMajor {
      try fresh.fill(fromColumns: stream, layout: layout)
    } else {
      try fresh.fill(from: stream, count: count)
    }
    try stream.finish()
    store = fresh
  }

  private func storedRow(_ row: Int) -> UnsafeRawPointer {
    if let mapped {
      precondition(row >= 0 && row < count, "\(name): row \(row) of \(count)")
      return mapped + row * layout.rowBytes
    }
    guard let store else { preconditionFailure("\(name): read before prepare") }
    return UnsafeRawPointer(store.row(row))
  }

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    layout.encoding.decode(storedRow(row), count: shape.elementCount, into: target)
  }

  func bytes(ofRow row: Int) -> UnsafePointer<UInt8>? {
    element == .u8 ? storedRow(row).assumingMemoryBound(to: UInt8.self) : nil
  }

  /// Returns all rows of an array of labels.
  func wholeNumbers() throws(Failure) -> [Int] {
    try prepare([0..<count])
    var values: [Int] = []
    values.reserveCapacity(count)
    for row in 0..<count {
      var value: Float = 0
      read(row: row, into: &value)
      guard let label = Int32(exactly: value) else {
        throw .malformed(name, "row \(row + 1): a label must be a whole number, not \(value)")
      }
      values.append(Int(label))
    }
    return values
  }
}
