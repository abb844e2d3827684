import Kernels

/// NumPy array files: NPY 1.0, little-endian, C order.
package enum NPYFile {
  /// Returns the header of an array, whose length is a multiple of 64 bytes. The values follow it.
  ///
  /// - type: the NumPy type string, such as "<f4".
  package static func header(_ type: String, _ extents: [Int]) -> [UInt8] {
    let sizes = extents.map(String.init).joined(separator: ", ") + (extents.count == 1 ? "," : "")
    let text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(sizes)), }"
    let padded = (10 + text.utf8.count + 1 + 63) / 64 * 64
    let length = UInt16(padded - 10)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(text.utf8)
      + Array(repeating: 0x20, count: padded - 11 - text.utf8.count) + [0x0a]
  }

  package static func write(_ values: [Float], _ extents: [Int], to path: String) throws(Failure) {
    precondition(values.count == extents.reduce(1, *), "\(values.count) values for an array of \(extents)")
    try write(header("<f4", extents), values.map { $0.bitPattern.littleEndian }, to: path)
  }

  package static func write(_ values: [Int], to path: String) throws(Failure) {
    try write(header("<i8", [values.count]), values.map { Int64($0).littleEndian }, to: path)
  }

  private static func write<T: BitwiseCopyable>(_ header: [UInt8], _ values: [T], to path: String) throws(Failure) {
    try DurableFile.write(to: path) { hand throws(Failure) in
      try header.withUnsafeBufferPointer { values throws(Failure) in try hand(UnsafeRawBufferPointer(values)) }
      try values.withUnsafeBufferPointer { values throws(Failure) in try hand(UnsafeRawBufferPointer(values)) }
    }
  }
}
