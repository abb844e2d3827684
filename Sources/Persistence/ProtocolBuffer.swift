/// A Protocol Buffers message to be written. Fields are encoded in the order in which they are added, including those
/// with default values (protobuf.dev, "Encoding").
package struct ProtocolBuffer {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  private enum Wire: UInt64 { case varint = 0, eight = 1, length = 2, four = 5 }

  package mutating func add(_ field: Int, _ value: Int) {
    key(field, .varint)
    varint(UInt64(bitPattern: Int64(value)))
  }

  package mutating func add(_ field: Int, _ value: Double) {
    key(field, .eight)
    word(value.bitPattern)
  }

  package mutating func add(_ field: Int, _ value: Float) {
    key(field, .four)
    word(value.bitPattern)
  }

  package mutating func add(_ field: Int, _ bytes: some Collection<UInt8>) {
    key(field, .length)
    varint(UInt64(bytes.count))
    self.bytes += bytes
  }

  package mutating func add(_ field: Int, _ text: String) { add(field, text.utf8) }

  package mutating func add(_ field: Int, _ message: ProtocolBuffer) { add(field, message.bytes) }

  /// Adds a packed repeated field.
  package mutating func add(_ field: Int, _ values: [Double]) {
    key(field, .length)
    varint(UInt64(8 * values.count))
    for value in values { word(value.bitPattern) }
  }

  private mutating func key(_ field: Int, _ wire: Wire) { varint(UInt64(field) << 3 | wire.rawValue) }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest > 0x7f {
      bytes.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func word(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }
}

extension ProtocolBuffer {
  /// Returns an integer field of an encoded message; nil if the field is absent or the message is malformed.
  package static func integer(_ field: Int, of message: some Sequence<UInt8>) -> Int? {
    var reader = Reader(bytes: message.makeIterator())
    while let key = reader.varint() {
      guard let wire = Wire(rawValue: key & 7) else { return nil }
      if key >> 3 == UInt64(field), wire == .varint { return reader.varint().map { Int(Int64(bitPattern: $0)) } }
      switch wire {
      case .varint: guard reader.varint() != nil else { return nil }
      case .eight: reader.skip(8)
      case .four: reader.skip(4)
      case .length:
        guard let length = reader.varint() else { return nil }
        reader.skip(length)
      }
    }
    return nil
  }

  private struct Reader<Bytes: IteratorProtocol<UInt8>> {
    var bytes: Bytes

    mutating func varint() -> UInt64? {
      var value: UInt64 = 0
      for place in stride(from: UInt64(0), to: 70, by: 7) {
        guard let byte = bytes.next() else { return nil }
        value |= UInt64(byte & 0x7f) << place
        if byte < 0x80 { return value }
      }
      return nil
    }

    mutating func skip(_ count: UInt64) {
      var left = count
      while left > 0, bytes.next() != nil { left -= 1 }
    }
  }
}
