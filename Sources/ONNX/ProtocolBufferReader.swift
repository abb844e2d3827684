import Kernels

/// Reads the fields of a Protocol Buffers message in order (protobuf.dev, "Encoding").
struct ProtocolBufferReader {
  enum Value {
    case integer(Int)
    case word(UInt32)
    case bytes(ArraySlice<UInt8>)
    /// An eight-byte value, which no caller uses.
    case other
  }

  /// Thrown for a malformed message.
  struct Fault: Error {}

  private let message: ArraySlice<UInt8>
  private var position: Int

  init(_ message: ArraySlice<UInt8>) {
    self.message = message
    position = message.startIndex
  }

  /// Returns the next field; nil at the end.
  mutating func next() throws(Fault) -> (field: Int, value: Value)? {
    guard position < message.endIndex else { return nil }
    let key = try varint()
    let field = Int(key >> 3)
    switch key & 7 {
    case 0: return (field, .integer(Int(Int64(bitPattern: try varint()))))
    case 1:
      _ = try take(8)
      return (field, .other)
    case 2:
      guard let length = Int(exactly: try varint()) else { throw Fault() }
      return (field, .bytes(try take(length)))
    case 5: return (field, .word(try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }))
    default: throw Fault()
    }
  }

  /// Returns all fields in order.
  static func fields(of message: ArraySlice<UInt8>) throws(Fault) -> [(field: Int, value: Value)] {
    var reader = ProtocolBufferReader(message), fields: [(field: Int, value: Value)] = []
    while let field = try reader.next() { fields.append(field) }
    return fields
  }

  private mutating func take(_ count: Int) throws(Fault) -> ArraySlice<UInt8> {
    guard count >= 0, count <= message.endIndex - position else { throw Fault() }
    defer { position += count }
    return message[position..<position + count]
  }

  private mutating func varint() throws(Fault) -> UInt64 {
    var value: UInt64 = 0
    for place in stride(from: UInt64(0), to: 70, by: 7) {
      guard position < message.endIndex else { throw Fault() }
      let byte = message[position]
      position += 1
      value |= UInt64(byte & 0x7f) << place
      if byte < 0x80 { return value }
    }
    throw Fault()
  }
}
