import Kernels

/// Parses the JSON of a safetensors header: an object of objects, so that no recursion and no nesting limit is needed.
/// It is stricter than a JSON library: duplicate keys, unknown fields, fractions and signs are errors.
struct HeaderScanner {
  struct Entry {
    let name: String
    let dtype: String
    let shape: [Int]
    let begin: Int
    let end: Int
  }

  /// A description of an error and, for errors of syntax, its byte offset in the header.
  struct Fault: Error {
    let text: String
    let offset: Int?

    var description: String { offset.map { "\(text) (byte \($0) of the header)" } ?? text }
  }

  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// Parses the whole header. Only spaces may follow the object.
  mutating func scan() throws(Fault) -> (metadata: [String: String], entries: [Entry]) {
    guard bytes.first == UInt8(ascii: "{") else { throw fault("the header does not begin with {") }
    var metadata: [String: String]?
    var entries: [Entry] = []
    var names: Set<String> = []
    try object { scanner, name throws(Fault) in
      if name == "__metadata__" {
        guard metadata == nil else { throw scanner.fault("there are two __metadata__") }
        metadata = try scanner.strings()
      } else {
        guard names.insert(name).inserted else {
          throw scanner.fault("there are two tensors \"\(name.printable)\"")
        }
        entries.append(try scanner.entry(name))
      }
    }
    skipSpace()
    guard position == bytes.count else { throw fault("something follows the header's object") }
    return (metadata ?? [:], entries)
  }

  private mutating func entry(_ name: String) throws(Fault) -> Entry {
    var dtype: String?
    var shape: [Int]?
    var offsets: [Int]?
    try object { scanner, key throws(Fault) in
      switch key {
      case "dtype" where dtype == nil: dtype = try scanner.string()
      case "shape" where shape == nil: shape = try scanner.integers(atMost: 64)
      case "data_offsets" where offsets == nil: offsets = try scanner.integers(atMost: 2)
      default:
        throw scanner.fault("tensor \"\(name.printable)\" has an unknown or repeated field \"\(key.printable)\"")
      }
    }
    guard let dtype, let shape, let offsets, offsets.count == 2 else {
      throw fault("tensor \"\(name.printable)\" needs dtype, shape and two data_offsets")
    }
    return Entry(name: name, dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1])
  }

  private mutating func strings() throws(Fault) -> [String: String] {
    var result: [String: String] = [:]
    try object { scanner, key throws(Fault) in
      let value = try scanner.string()
      guard result.updateValue(value, forKey: key) == nil else {
        throw scanner.fault("__metadata__ has two \"\(key.printable)\"")
      }
    }
    return result
  }

  /// Parses an object. `member` is called after each key and colon, and must parse the value.
  private mutating func object(
    _ member: (inout HeaderScanner, String) throws(Fault) -> Void
  ) throws(Fault) {
    try expect("{")
    if accept("}") { return }
    repeat {
      let key = try string()
      try expect(":")
      try member(&self, key)
    } while accept(",")
    try expect("}")
  }

  private mutating func integers(atMost limit: Int) throws(Fault) -> [Int] {
    var result: [Int] = []
    try expect("[")
    if accept("]") { return result }
    repeat {
      guard result.count < limit else { throw fault("more than \(limit) numbers in a list") }
      result.append(try integer())
    } while accept(",")
    try expect("]")
    return result
  }

  private mutating func integer() throws(Fault) -> Int {
    skipSpace()
    let start = position
    var value = 0
    while position < bytes.count, case let digit = bytes[position] &- UInt8(ascii: "0"), digit < 10 {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(digit))
      guard !overflow && !carry else { throw fault("a number is too large") }
      value = sum
      position += 1
    }
    guard position > start, position == start + 1 || bytes[start] != UInt8(ascii: "0") else {
      throw fault("expected a whole number, zero or more")
    }
    return value
  }

  private mutating func string() throws(Fault) -> String {
    try expect("\"")
    var text: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let result = String(validating: text, as: UTF8.self) else { throw fault("a string is not UTF-8") }
        return result
      case UInt8(ascii: "\\"): text.append(contentsOf: String(try escaped()).utf8)
      case 0..<0x20: throw fault("a control character in a string")
      default: text.append(byte)
      }
    }
    throw fault("a string does not end")
  }

  /// Parses an escape sequence after its backslash.
  private mutating func escaped() throws(Fault) -> Unicode.Scalar {
    guard position < bytes.count else { throw fault("a string does not end") }
    position += 1
    switch bytes[position - 1] {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw fault("an unknown escape in a string")
    }
    var code = try hexadecimal()
    if code & 0xFC00 == 0xD800, bytes[position...].starts(with: Array("\\u".utf8)) {
      position += 2
      let low = try hexadecimal()
      guard low & 0xFC00 == 0xDC00 else { throw fault("half a surrogate pair in a string") }
      code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
    }
    guard let scalar = Unicode.Scalar(code) else { throw fault("half a surrogate pair in a string") }
    return scalar
  }

  private mutating func hexadecimal() throws(Fault) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count,
        let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue, bytes[position] < 0x80
      else { throw fault("\\u needs four hexadecimal digits") }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Fault) {
    guard accept(character) else { throw fault("expected \(character)") }
  }

  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  private func fault(_ text: String) -> Fault {
    Fault(text: text, offset: position)
  }
}
