import Kernels

/// A pull parser for JSON text (RFC 8259), for callers that know what to expect. Numbers become the nearest float32.
struct JSONText {
  enum Scalar {
    case null
    case flag(Bool)
    case number(Float)
    case string(String)
  }

  /// The source text of the last number; empty after any other scalar.
  var lastNumber: String { String(decoding: bytes[number], as: UTF8.self) }

  private let bytes: [UInt8]
  private let name: String
  private var at = 0
  private var number = 0..<0
  private static let numbers = NumberParser()

  init(_ bytes: [UInt8], name: String) {
    self.bytes = bytes
    self.name = name
  }

  func failure(_ what: String, hint: String? = nil) -> Failure {
    .malformed(name, "\(what) (at byte \(min(at, bytes.count) + 1))", hint: hint)
  }

  private func unexpected(_ wanted: String) -> Failure {
    let found = at < bytes.count ? "'\(printable(bytes[at..<min(at + 8, bytes.count)]))'" : "its end"
    return failure("not the JSON that is asked for: \(wanted) should stand where \(found) does")
  }

  // MARK: Structure

  /// Parses an object. `member` is called with each key and must parse its value.
  mutating func object(_ member: (inout JSONText, String) throws(Failure) -> Void) throws(Failure) {
    try list(UInt8(ascii: "{"), UInt8(ascii: "}")) { (text, _) throws(Failure) in
      let key = try text.string()
      try text.expect(UInt8(ascii: ":"))
      try member(&text, key)
    }
  }

  /// Parses an array. `element` is called with the index of each element and must parse it.
  mutating func array(_ element: (inout JSONText, Int) throws(Failure) -> Void) throws(Failure) {
    try list(UInt8(ascii: "["), UInt8(ascii: "]"), element)
  }

  private mutating func list(
    _ open: UInt8, _ close: UInt8, _ element: (inout JSONText, Int) throws(Failure) -> Void
  ) throws(Failure) {
    try expect(open)
    if take(close) { return }
    var place = 0
    repeat {
      try element(&self, place)
      place += 1
    } while take(UInt8(ascii: ","))
    guard take(close) else { throw unexpected("',' or '\(Unicode.Scalar(close))'") }
  }

  /// Throws if anything but white space follows.
  mutating func end() throws(Failure) {
    skipBlanks()
    guard at == bytes.count else { throw unexpected("the end") }
  }

  private mutating func expect(_ character: UInt8) throws(Failure) {
    guard take(character) else { throw unexpected("'\(Unicode.Scalar(character))'") }
  }

  private mutating func take(_ character: UInt8) -> Bool {
    skipBlanks()
    guard at < bytes.count, bytes[at] == character else { return false }
    at += 1
    return true
  }

  private mutating func skipBlanks() {
    while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0a || bytes[at] == 0x0d || bytes[at] == 0x09 { at += 1 }
  }

  // MARK: Scalars

  mutating func scalar() throws(Failure) -> Scalar {
    skipBlanks()
    number = 0..<0
    guard at < bytes.count else { throw unexpected("a value") }
    switch bytes[at] {
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "n") where take(word: "null"): return .null
    case UInt8(ascii: "t") where take(word: "true"): return .flag(true)
    case UInt8(ascii: "f") where take(word: "false"): return .flag(false)
    case UInt8(ascii: "-"), 0x30...0x39: return .number(try float())
    default: throw unexpected("a number, a word in quotes or null")
    }
  }

  private mutating func take(word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard at + length <= bytes.count, (0..<length).allSatisfy({ bytes[at + $0] == word.utf8Start[$0] }) else {
      return false
    }
    at += length
    return true
  }

  private mutating func digits() -> Int {
    let start = at
    while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
    return at - start
  }

  /// Parses a number by the grammar of JSON, which is narrower than that of `NumberParser`.
  private mutating func float() throws(Failure) -> Float {
    let start = at
    if bytes[at] == UInt8(ascii: "-") { at += 1 }
    let first = at, whole = digits()
    guard whole == 1 || whole > 1 && bytes[first] != 0x30 else { throw unexpected("a number") }
    if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
      at += 1
      guard digits() > 0 else { throw unexpected("a digit") }
    }
    if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
      at += 1
      if at < bytes.count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") { at += 1 }
      guard digits() > 0 else { throw unexpected("a digit") }
    }
    number = start..<at
    let value = bytes.withUnsafeBufferPointer { text -> Float? in
      var place = start
      return text.baseAddress.flatMap { Self.numbers.number($0, &place, end: at) }
    }
    guard let value else { throw failure("a number of \(at - start) characters") }
    return value
  }

  mutating func string() throws(Failure) -> String {
    try expect(UInt8(ascii: "\""))
    let start = at
    var isPlain = true
    while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
      guard bytes[at] >= 0x20 else { throw failure("a control character in a string") }
      if bytes[at] == UInt8(ascii: "\\") {
        isPlain = false
        at += 1
      }
      at += 1
    }
    guard at < bytes.count else { throw failure("a string without an end") }
    let content = bytes[start..<at]
    at += 1
    guard let text = String(validating: isPlain ? Array(content) : try unescaped(content), as: UTF8.self) else {
      throw failure("a string that is not UTF-8")
    }
    return text
  }

  private func unescaped(_ content: ArraySlice<UInt8>) throws(Failure) -> [UInt8] {
    var result: [UInt8] = [], rest = content
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        result.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "n"): result.append(0x0a)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "r"): result.append(0x0d)
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0c)
      case UInt8(ascii: "u"): result += Array(String(try scalar(&rest)).utf8)
      case .some(let plain) where Array("\"\\/".utf8).contains(plain): result.append(plain)
      default: throw failure("an escape that there is not")
      }
    }
    return result
  }

  /// Parses the digits after \u, and the second half of a surrogate pair if there is one.
  private func scalar(_ rest: inout ArraySlice<UInt8>) throws(Failure) -> Unicode.Scalar {
    func unit() throws(Failure) -> UInt32 {
      let digits = rest.prefix(4)
      guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
        let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
      else { throw failure("an escape that there is not") }
      rest = rest.dropFirst(4)
      return value
    }
    var value = try unit()
    if (0xd800..<0xdc00).contains(value), rest.starts(with: Array("\\u".utf8)) {
      rest = rest.dropFirst(2)
      let low = try unit()
      guard (0xdc00..<0xe000).contains(low) else { throw failure("half a character") }
      value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw failure("half a character") }
    return scalar
  }
}
