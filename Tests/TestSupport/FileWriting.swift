import CZlib
import Foundation

/// A folder for one test, which is removed with this object.
package final class Scratch {
  package let path: String

  package init() throws {
    path = NSTemporaryDirectory() + "vae-dist-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  package func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try writeFile(bytes, at: "\(path)/\(name)")
  }
}

@discardableResult
package func writeFile(_ bytes: [UInt8], at path: String) throws -> String {
  try Foundation.Data(bytes).write(to: URL(fileURLWithPath: path))
  return path
}

/// The bytes of integers in the given byte order.
package func words<Word: FixedWidthInteger>(_ values: [Word], bigEndian: Bool = false) -> [UInt8] {
  values.flatMap { value in withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { Array($0) } }
}

/// An IDX file: the type byte, sizes, and the bytes of the values.
package func idx(_ type: UInt8, _ sizes: [UInt32], _ data: [UInt8]) -> [UInt8] {
  [0, 0, type, UInt8(sizes.count)] + words(sizes, bigEndian: true) + data
}

/// An NPY file as NumPy writes it, with any header text.
package func npy(header: String, _ data: [UInt8], version: UInt8 = 1) -> [UInt8] {
  let prefix = version == 1 ? 10 : 12
  let padding = (64 - (prefix + header.utf8.count + 1) % 64) % 64
  let text = Array(header.utf8) + Array(repeating: 0x20, count: padding) + [0x0a]
  let length = version == 1 ? words([UInt16(text.count)]) : words([UInt32(text.count)])
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + text + data
}

package func npy(_ descr: String, _ shape: [Int], fortran: Bool = false, _ data: [UInt8], version: UInt8 = 1) -> [UInt8]
{
  let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
  let order = fortran ? "True" : "False"
  return npy(header: "{'descr': '\(descr)', 'fortran_order': \(order), 'shape': (\(sizes)), }", data, version: version)
}

/// A compressed gzip file.
package func gzip(_ bytes: [UInt8]) -> [UInt8] {
  [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3] + deflate(bytes) + words([crc(bytes), UInt32(truncatingIfNeeded: bytes.count)])
}

package func crc(_ bytes: [UInt8]) -> UInt32 {
  UInt32(truncatingIfNeeded: crc32(0, bytes, uInt(bytes.count)))
}

/// Raw deflate data, which is zlib's output without two bytes of header and four of checksum.
package func deflate(_ bytes: [UInt8]) -> [UInt8] {
  var length = compressBound(uLong(bytes.count))
  var packed = [UInt8](repeating: 0, count: Int(length))
  precondition(compress(&packed, &length, bytes, uLong(bytes.count)) == Z_OK)
  return Array(packed[2..<Int(length) - 4])
}

/// One member of a zip file, whose headers may make false claims.
package struct ZipMember {
  package var name: String
  package var data: [UInt8]
  package var method: UInt16 = 8
  package var claimedSize: UInt32?
  package var claimedStoredSize: UInt32?
  package var claimedCRC: UInt32?
  package var flags: UInt16 = 0

  package init(name: String, data: [UInt8], method: UInt16 = 8) {
    self.name = name
    self.data = data
    self.method = method
  }
}

package func zip(_ members: [ZipMember]) -> [UInt8] {
  var file: [UInt8] = []
  var directory: [UInt8] = []
  for member in members {
    let stored = member.method == 8 ? deflate(member.data) : member.data
    var shared: [UInt8] = []
    shared += words([UInt16(20), member.flags, member.method, 0, 0x21])
    shared += words([member.claimedCRC ?? crc(member.data), member.claimedStoredSize ?? UInt32(stored.count)])
    shared += words([member.claimedSize ?? UInt32(member.data.count)])
    shared += words([UInt16(member.name.utf8.count), 0])
    directory += words([0x0201_4b50 as UInt32]) + words([20 as UInt16]) + shared
    directory += words([0, 0, 0] as [UInt16]) + words([0, UInt32(file.count)]) + Array(member.name.utf8)
    file += words([0x0403_4b50 as UInt32]) + shared + Array(member.name.utf8) + stored
  }
  let end = words([0x0605_4b50 as UInt32]) + words([0, 0, UInt16(members.count), UInt16(members.count)])
  return file + directory + end + words([UInt32(directory.count), UInt32(file.count)]) + [0, 0]
}
