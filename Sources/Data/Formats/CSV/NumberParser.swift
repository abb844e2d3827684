/// Converts decimal numbers in text to the nearest float32, in nearly all cases without copying or allocation.
struct NumberParser {
  /// 10^0...10^22: the powers of ten that a Double represents exactly.
  private static let powers: [Double] = (0...22).map { exponent in (0..<exponent).reduce(1.0) { ten, _ in ten * 10 } }

  /// Longest text that is accepted as a number.
  private static let maximumLength = 512

  private let powers = NumberParser.powers

  /// Parses the number that begins at `at` and moves `at` behind it. Returns nil if there is none, and infinity on
  /// overflow.
  @inline(__always)
  func number(_ text: UnsafePointer<UInt8>, _ at: inout Int, end: Int) -> Float? {
    let start = at
    var negative = false
    if at < end, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") {
      negative = text[at] == UInt8(ascii: "-")
      at += 1
    }
    // 19 digits fit into 64 bits. Further digits can change a float32 only next to a tie, which is detected below.
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
    // The Double is wrong by at most a few units in the last place. If that could change the rounding to float32, parse
    // exactly.
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

  /// Parses ties and extreme exponents with the standard library's parser.
  private func exact(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Float? {
    Float(String(decoding: UnsafeBufferPointer(start: text + start, count: end - start), as: UTF8.self))
  }
}
