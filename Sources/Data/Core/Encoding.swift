/// The type of the values that a source stores.
package enum ElementType: String, Sendable {
  /// Unsigned byte, the type of image data.
  case u8
  /// NumPy's bool: one byte that is 0 for false and anything else for true.
  case b1
  case i1, i2, u2, i4, u4, i8
  /// Unsigned 64-bit integer. NumPy calls it u8, which is the name of the byte here.
  case u64
  case f2, f4, f8
  /// Decimal numbers in text.
  case text

  /// Number of bytes of a stored value. Numbers in text are kept as float32 once they are parsed.
  package var byteCount: Int {
    switch self {
    case .u8, .b1, .i1: 1
    case .i2, .u2, .f2: 2
    case .i4, .u4, .f4, .text: 4
    case .i8, .u64, .f8: 8
    }
  }
}

/// The type and byte order of stored values.
struct Encoding {
  let type: ElementType
  let bigEndian: Bool

  static let bytes = Encoding(type: .u8, bigEndian: false)
  static let parsedText = Encoding(type: .text, bigEndian: 1.bigEndian == 1)

  /// Converts `count` stored values to float32, rounded to nearest.
  func decode(_ source: UnsafeRawPointer, count: Int, into target: UnsafeMutablePointer<Float>) {
    switch type {
    case .u8: words(UInt8.self, source, count, target) { Float($0) }
    case .b1: words(UInt8.self, source, count, target) { $0 == 0 ? 0 : 1 }
    case .i1: words(Int8.self, source, count, target) { Float($0) }
    case .i2: words(Int16.self, source, count, target) { Float($0) }
    case .u2: words(UInt16.self, source, count, target) { Float($0) }
    case .i4: words(Int32.self, source, count, target) { Float($0) }
    case .u4: words(UInt32.self, source, count, target) { Float($0) }
    case .i8: words(Int64.self, source, count, target) { Float($0) }
    case .u64: words(UInt64.self, source, count, target) { Float($0) }
    case .f2: words(UInt16.self, source, count, target) { Self.single(half: $0) }
    case .f4, .text: words(UInt32.self, source, count, target) { Float(bitPattern: $0) }
    case .f8: words(UInt64.self, source, count, target) { Float(Double(bitPattern: $0)) }
    }
  }

  @inline(__always)
  private func words<Word: FixedWidthInteger & BitwiseCopyable>(
    _: Word.Type, _ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>,
    _ convert: (Word) -> Float
  ) {
    let size = MemoryLayout<Word>.size
    if bigEndian {
      for i in 0..<count {
        target[i] = convert(Word(bigEndian: source.loadUnaligned(fromByteOffset: i * size, as: Word.self)))
      }
    } else {
      for i in 0..<count {
        target[i] = convert(Word(littleEndian: source.loadUnaligned(fromByteOffset: i * size, as: Word.self)))
      }
    }
  }

  /// Returns the value of IEEE 754 half-precision bits. Multiplication by 2^112 corrects the exponent, also for
  /// subnormals.
  private static func single(half bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7fff)
    let value =
      magnitude < 0x7c00
      ? Float(bitPattern: magnitude << 13) * 0x1p112
      : Float(bitPattern: 0x7f80_0000 | magnitude << 13)
    return Float(bitPattern: value.bitPattern | sign)
  }
}
