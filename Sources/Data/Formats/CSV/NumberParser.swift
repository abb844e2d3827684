/// Decimal numbers in text as the nearest float32, without copies or allocation for nearly all of them.
struct NumberParser {
  /// 10^0...10^22: the powers that a Double holds exactly.
  private static let powers: [Double] = (0...22).map { exponent in (0..<exponent).reduce(1.0) { ten, _ in ten * 10 } }

  /// A number longer than this is not one.
  private static let maximumLength = 512

  private let powers = NumberParser.powers

  /// The number that begins at `at`, which moves behind it; nil where there is none. Overflow gives infinity.
  @inline(__always)
  func number(_ text: UnsafePointer<UInt8>, _ at: inout Int, end: Int) -> Float? {
    let start = at
    var negative = false
    if at < end, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") {
      negative = text[at] == UInt8(ascii: "-")
      at += 1
    }
    // 19 digits fit into 64 bits; the rest cannot change a float32 except next to a tie, which is noticed below.
    var (mantissa, digits, exponent): (UInt64, Int, Int) = (0, 0, 0)
    let whole = at
    while at < end, let digit = digit(text[at]) {
      if digits < 19 {
        mantissa = mantissa &* 10 &+ digit
        digits += mantissa == 0 ? 0 : 1
      } else {
        exponent += 1
      }
      at += 1
    }
    var seen = at - whole
    if at < end, text[at] == UInt8(ascii: ".") {
      at += 1
      let fraction = at
      while at < end, let digit = digit(text[at]) {
        if digits < 19 {
          mantissa = mantissa &* 10 &+ digit
          digits += mantissa == 0 ? 0 : 1
          exponent -= 1
        }
        at += 1
      }
      seen += at - fraction
    }
    guard seen > 0, at - start <= NumberParser.maximumLength else { return nil }
    if at < end, text[at] | 0x20 == UInt8(ascii: "e") {
      guard let power = power(text, &at, end: end) else { return nil }
      exponent += power
    }
    if mantissa == 0 { return negative ? -0.0 : 0 }
    guard abs(exponent) <= 22 else { return exact(text, start, at) }
    let value = exponent < 0 ? Double(mantissa) / powers[-exponent] : Double(mantissa) * powers[exponent]
    // The Double is off by at most a few units; where that could tip the rounding to float32, look closer.
    let tail = Int(value.bitPattern & 0x1fff_ffff) - 0x1000_0000
    guard abs(tail) > 8 else { return exact(text, start, at) }
    return Float(negative ? -value : value)
  }

  @inline(__always)
  private func digit(_ character: UInt8) -> UInt64? {
    let value = character &- UInt8(ascii: "0")
    return value <= 9 ? UInt64(value) : nil
  }

  private func power(_ text: UnsafePointer<UInt8>, _ at: inout Int, end: Int) -> Int? {
    at += 1
    var negative = false
    if at < end, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") {
      negative = text[at] == UInt8(ascii: "-")
      at += 1
    }
    let start = at
    var value = 0
    while at < end, let digit = digit(text[at]) {
      value = min(value * 10 + Int(digit), 100_000)
      at += 1
    }
    return at > start ? (negative ? -value : value) : nil
  }

  /// Ties and extreme exponents: the standard library's parser.
  private func exact(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Float? {
    Float(String(decoding: UnsafeBufferPointer(start: text + start, count: end - start), as: UTF8.self))
  }
}
