import Kernels

/// An uncompressed zip archive of NumPy arrays like that of numpy.savez (PKWARE's APPNOTE.TXT, without zip64).
package struct NPZFile {
  private struct Member {
    let name: [UInt8]
    let header: [UInt8]
    let values: [UInt8]

    var size: Int { header.count + values.count }
  }

  private var members: [Member] = []

  package init() {}

  /// Adds an array.
  ///
  /// - name: "X" for the member X.npy.
  /// - type: the NumPy type string, such as "<f4".
  /// - values: the bytes of the array.
  package mutating func add(_ name: String, _ type: String, _ extents: [Int], _ values: [UInt8]) {
    members.append(Member(name: Array("\(name).npy".utf8), header: NPYFile.header(type, extents), values: values))
  }

  package mutating func add(_ name: String, _ values: [Float], _ extents: [Int]) {
    precondition(values.count == extents.reduce(1, *), "\(values.count) values for an array of \(extents)")
    add(name, "<f4", extents, values.map(\.bitPattern.littleEndian).withUnsafeBytes { Array($0) })
  }

  package mutating func add(_ name: String, _ values: [Int]) {
    add(name, "<i8", [values.count], values.map { Int64($0).littleEndian }.withUnsafeBytes { Array($0) })
  }

  package func write(to path: String) throws(Failure) {
    let total = members.reduce(0) { $0 + $1.size + 2 * $1.name.count + 76 }
    guard total < Int(UInt32.max) else {
      throw Failure(
        .cannotCreate, "\(path.printable): \(total) bytes are more than a plain zip file holds",
        hint: "write fewer rows, or several files")
    }
    try DurableFile.write(to: path) { write throws(Failure) in
      func hand(_ bytes: [UInt8]) throws(Failure) {
        try bytes.withUnsafeBufferPointer { bytes throws(Failure) in try write(UnsafeRawBufferPointer(bytes)) }
      }
      var directory: [UInt8] = [], offset = 0
      for member in members {
        // Version 2.0, stored, dated 1 January 1980, so that the same arrays give the same file.
        let shared =
          Self.words([20, 0, 0, 0, 0x21] as [UInt16])
          + Self.words([CRC32.of(member.header, member.values), UInt32(member.size), UInt32(member.size)])
          + Self.words([UInt16(member.name.count), 0])
        let local = Self.words([0x0403_4b50 as UInt32]) + shared + member.name
        directory += Self.words([0x0201_4b50 as UInt32]) + Self.words([20 as UInt16]) + shared
        directory += Self.words([0, 0, 0] as [UInt16]) + Self.words([0, UInt32(offset)]) + member.name
        try hand(local)
        try hand(member.header)
        try hand(member.values)
        offset += local.count + member.size
      }
      try hand(directory)
      try hand(
        Self.words([0x0605_4b50 as UInt32]) + Self.words([0, 0, UInt16(members.count), UInt16(members.count)])
          + Self.words([UInt32(directory.count), UInt32(offset)]) + [0, 0])
    }
  }

  private static func words<Word: FixedWidthInteger>(_ values: [Word]) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
  }
}

/// The checksum of zip and PNG: polynomial 0x04C11DB7 with reflected bits.
enum CRC32 {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { rest, _ in rest & 1 == 1 ? rest >> 1 ^ 0xedb8_8320 : rest >> 1 }
  }

  static func of(_ parts: [UInt8]...) -> UInt32 {
    var rest = UInt32.max
    for part in parts { for byte in part { rest = table[Int((rest ^ UInt32(byte)) & 255)] ^ rest >> 8 } }
    return ~rest
  }
}
