import Glibc
import Kernels

/// Reads the complete lines of a file to which another process may be appending, each line once. A file that was
/// replaced or truncated is read again from its beginning. Memory use does not grow with the file.
package struct LineReader: Sendable {
  package struct Batch {
    /// Whether the file is read again from its beginning, so that the lines read before are obsolete.
    package var isAnew: Bool
    /// The lines without line ends. Lines that are too long are left out and are counted in `overlong`.
    package var lines: [[UInt8]]
    package var overlong: Int
  }

  private let path: String
  private let longest: Int
  private var offset = 0
  private var identity: [UInt64] = []
  private var isWithinOverlong = false
  private static let chunk = 1 << 20

  package init(path: String, longest: Int = 4 << 20) {
    self.path = path
    self.longest = longest
  }

  /// Returns the next lines; nil if there are none yet.
  package mutating func next() throws(Failure) -> Batch? {
    let file = try OpenFile(reading: path), status = try file.status(), size = Int(status.st_size)
    let found = [UInt64(status.st_dev), UInt64(status.st_ino)]
    var batch = Batch(isAnew: found != identity || size < offset, lines: [], overlong: 0)
    if batch.isAnew { (offset, identity, isWithinOverlong) = (0, found, false) }
    var length = LineReader.chunk
    while offset < size {
      var bytes = [UInt8](repeating: 0, count: min(length, size - offset))
      try bytes.withUnsafeMutableBufferPointer { [offset] buffer throws(Failure) in
        try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      }
      if let end = bytes.lastIndex(of: UInt8(ascii: "\n")) {
        offset += end + 1
        take(bytes[..<end], into: &batch)
        return batch
      }
      if isWithinOverlong || bytes.count >= longest {
        if !isWithinOverlong { batch.overlong += 1 }
        (isWithinOverlong, offset) = (true, offset + bytes.count)
      } else if bytes.count < length {
        break  // its last line is still being written
      } else {
        length = min(2 * length, longest)
      }
    }
    return batch.isAnew || batch.overlong > 0 ? batch : nil
  }

  private mutating func take(_ bytes: ArraySlice<UInt8>, into batch: inout Batch) {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if isWithinOverlong { lines.removeFirst() }
    isWithinOverlong = false
    for line in lines where !line.isEmpty {
      if line.count > longest { batch.overlong += 1 } else { batch.lines.append(Array(line)) }
    }
  }
}
