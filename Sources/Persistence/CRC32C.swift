/// The 32-bit cyclic redundancy check with Castagnoli's polynomial (RFC 3720, section B.4).
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { rest, _ in rest >> 1 ^ (rest & 1 == 0 ? 0 : 0x82f6_3b78) }
  }

  static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      ~bytes.reduce(~0) { rest, byte in rest >> 8 ^ table[Int(UInt8(truncatingIfNeeded: rest) ^ byte)] }
    }
  }

  /// Returns the masked checksum of TFRecord files. The mask is needed because the CRC of data that contain their own
  /// CRC detects errors poorly.
  static func masked(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    let check = of(bytes)
    return (check >> 15 | check << 17) &+ 0xa282_ead8
  }
}
