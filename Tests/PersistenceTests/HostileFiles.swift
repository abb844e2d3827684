import Testing

@testable import Persistence

/// A damaged or malicious file, and a part of the expected message.
struct Hostile: Sendable, CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]
  let reason: String

  var testDescription: String { name }

  init(_ name: String, _ bytes: [UInt8], _ reason: String) {
    (self.name, self.bytes, self.reason) = (name, bytes, reason)
  }

  init(_ name: String, _ header: String, _ dataBytes: Int, _ reason: String) {
    self.init(name, assembled(header, dataBytes: dataBytes), reason)
  }

  init(_ name: String, _ header: String, _ reason: String) {
    self.init(name, header, 8, reason)
  }

  static func tensor(_ name: String, _ shape: String, _ offsets: String, _ dtype: String = "F32") -> String {
    "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
  }

  static func a(_ begin: Int, _ end: Int) -> String { tensor("a", "[2]", "[\(begin),\(end)]") }
  static func b(_ begin: Int, _ end: Int) -> String { tensor("b", "[2]", "[\(begin),\(end)]") }

  static let all: [Hostile] =
    lengths + grammar + places + [
      Hostile("no file content", [], "0 bytes"), Hostile("seven bytes", [1, 0, 0, 0, 0, 0, 0], "7 bytes"),
    ]

  static let lengths = [
    Hostile("length beyond the file", assembled(Array("{}".utf8), length: 3), "claims 3 bytes"),
    Hostile("length of 2^64 - 1", assembled(Array("{}".utf8), length: .max), "claims"),
    Hostile("length of 2^63", assembled(Array("{}".utf8), length: 1 << 63), "claims"),
    Hostile("length over the cap", assembled(Array("{}".utf8), length: 100_000_001), "claims"),
    Hostile("length zero", assembled([], dataBytes: 64), "does not begin with {"),
    Hostile("header cut short", assembled(Array("{\(a(0, 8))}".utf8), dataBytes: 8, length: 20), "byte 20"),
  ]

  static let grammar = [
    Hostile("not JSON", "hello, world", "does not begin with {"),
    Hostile("a leading space", " {\(a(0, 8))}", "does not begin with {"),
    Hostile("a byte order mark", "\u{FEFF}{\(a(0, 8))}", "does not begin with {"),
    Hostile("an array", "[]", "does not begin with {"), Hostile("zeros", assembled([0, 0, 0, 0]), "begin with {"),
    Hostile("something after the object", "{\(a(0, 8))}x", "follows"),
    Hostile("a second object", "{\(a(0, 8))}{}", "follows"), Hostile("NUL padding", "{\(a(0, 8))}\0\0", "follows"),
    Hostile("a trailing comma", "{\(a(0, 8)),}", "expected \""), Hostile("no comma", "{\(a(0, 4))\(b(4, 8))}", "}"),
    Hostile("NaN offsets", "{\(tensor("a", "[2]", "[NaN,8]"))}", "whole number"),
    Hostile("infinite shape", "{\(tensor("a", "[Infinity]", "[0,8]"))}", "whole number"),
    Hostile("null shape", "{\(tensor("a", "null", "[0,8]"))}", "expected ["),
    Hostile("offset as a string", "{\(tensor("a", "[2]", "[\"0\",8]"))}", "whole number"),
    Hostile("negative offset", "{\(tensor("a", "[2]", "[-8,0]"))}", "whole number"),
    Hostile("negative extent", "{\(tensor("a", "[-2]", "[0,8]"))}", "whole number"),
    Hostile("fraction", "{\(tensor("a", "[2.0]", "[0,8]"))}", "expected ]"),
    Hostile("exponent", "{\(tensor("a", "[2]", "[0,8e0]"))}", "expected ]"),
    Hostile("leading zero", "{\(tensor("a", "[02]", "[0,8]"))}", "whole number"),
    Hostile("offset of 2^64", "{\(tensor("a", "[2]", "[0,18446744073709551616]"))}", "too large"),
    Hostile("one offset", "{\(tensor("a", "[2]", "[0]"))}", "two data_offsets"),
    Hostile("three offsets", "{\(tensor("a", "[2]", "[0,4,8]"))}", "more than 2"),
    Hostile("a thousand dimensions", "{\(tensor("a", "[2\(String(repeating: ",1", count: 999))]", "[0,8]"))}", "64"),
    Hostile("no dtype", "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "needs dtype"),
    Hostile("an unknown field", "{\(a(0, 8).dropLast()),\"x\":1}}", "unknown or repeated field \"x\""),
    Hostile("a repeated field", "{\(a(0, 8).dropLast()),\"shape\":[2]}}", "repeated field \"shape\""),
    Hostile("duplicate names", "{\(a(0, 8)),\(a(0, 8))}", "two tensors \"a\""),
    Hostile("duplicate names, one escaped", "{\(a(0, 4)),\(tensor("\\u0061", "[1]", "[4,8]"))}", "two tensors \"a\""),
    Hostile("two metadata", "{\"__metadata__\":{},\"__metadata__\":{},\(a(0, 8))}", "two __metadata__"),
    Hostile("metadata of numbers", "{\"__metadata__\":{\"epoch\":3},\(a(0, 8))}", "expected \""),
    Hostile("metadata of objects", "{\"__metadata__\":{\"x\":{\"y\":\"z\"}},\(a(0, 8))}", "expected \""),
    Hostile("metadata null", "{\"__metadata__\":null,\(a(0, 8))}", "expected {"),
    Hostile("metadata twice the same key", "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "two \"k\""),
    Hostile("deep objects", String(repeating: "{\"a\":", count: 1_000_000), "unknown or repeated"),
    Hostile("deep arrays", "{\"a\":{\"shape\":\(String(repeating: "[", count: 1_000_000))", "whole number"),
    Hostile("invalid UTF-8", assembled(Array("{\"".utf8) + [0xC3, 0x28] + Array("\":{}}".utf8)), "UTF-8"),
    Hostile("overlong UTF-8", assembled(Array("{\"".utf8) + [0xC0, 0xAF] + Array("\":{}}".utf8)), "UTF-8"),
    Hostile("UTF-8 surrogate", assembled(Array("{\"".utf8) + [0xED, 0xA0, 0x80] + Array("\":{}}".utf8)), "UTF-8"),
    Hostile("lone surrogate escape", "{\"\\ud800\":{}}", "surrogate"),
    Hostile("two high surrogates", "{\"\\ud800\\ud800\":{}}", "surrogate"),
    Hostile("low surrogate first", "{\"\\udc00\":{}}", "surrogate"),
    Hostile("escape cut short", "{\"\\u12", 0, "four hexadecimal"),
    Hostile("unknown escape", "{\"\\x41\":{}}", "escape"),
    Hostile("backslash at the end", "{\"\\", 0, "does not end"), Hostile("open string", "{\"abc", 0, "does not end"),
    Hostile("a newline in a string", "{\"a\nb\":{}}", "control character"),
    Hostile("an escape sequence in a name", "{\(tensor("\\u001b[31m", "[2]", "[4,8]"))}", "should begin"),
  ]

  static let places = [
    Hostile("overlap", "{\(a(0, 8)),\(b(4, 12))}", 12, "\"b\" is at bytes 4 to 12, but should begin at byte 8"),
    Hostile("the same bytes twice", "{\(a(0, 8)),\(b(0, 8))}", 8, "but should begin at byte 8"),
    Hostile("gap", "{\(a(0, 8)),\(b(12, 20))}", 20, "but should begin at byte 8"),
    Hostile("gap at the start", "{\(a(8, 16))}", 16, "but should begin at byte 0"),
    Hostile("begin after end", "{\(tensor("a", "[2]", "[8,0]"))}", "should begin"),
    Hostile("data missing", "{\(a(0, 8))}", 7, "has 7"), Hostile("no data", "{\(a(0, 8))}", 0, "has 0"),
    Hostile("data left over", "{\(a(0, 8))}", 9, "have 9 bytes and the tensors 8"),
    Hostile("data without tensors", "{}", 8, "have 8 bytes and the tensors 0"),
    Hostile("end of 2^63 - 1", "{\(tensor("a", "[2]", "[0,9223372036854775807]"))}", "but the file has 8 bytes"),
    Hostile("shape larger than its bytes", "{\(tensor("a", "[3]", "[0,8]"))}", "[3]"),
    Hostile("shape smaller than its bytes", "{\(tensor("a", "[1]", "[0,8]"))}", "[1]"),
    Hostile("scalar of 8 bytes", "{\(tensor("a", "[]", "[0,8]"))}", "of shape []"),
    Hostile("shape overflows to 0", "{\(tensor("a", "[4294967296,4294967296]", "[0,0]"))}", 0, "of shape"),
    Hostile("bytes overflow to 8", "{\(tensor("a", "[4611686018427387906]", "[0,8]"))}", "of shape"),
    Hostile("zero does not excuse overflow", "{\(tensor("a", "[4294967296,4294967296,0]", "[0,0]"))}", 0, "of shape"),
    Hostile("unknown type", "{\(tensor("a", "[2]", "[0,8]", "F33"))}", "\"F33\""),
    Hostile("lower case type", "{\(tensor("a", "[2]", "[0,8]", "f32"))}", "\"f32\""),
    Hostile("half a byte", "{\(tensor("a", "[3]", "[0,1]", "F4"))}", 1, "of shape"),
    Hostile("element size of another type", "{\(tensor("a", "[2]", "[0,8]", "F64"))}", "F64"),
  ]
}

/// A file with the given header text and number of data bytes.
func assembled(_ header: [UInt8], dataBytes: Int = 0, length: UInt64? = nil) -> [UInt8] {
  withUnsafeBytes(of: (length ?? UInt64(header.count)).littleEndian) { Array($0) } + header
    + [UInt8](repeating: 0, count: dataBytes)
}

func assembled(_ header: String, dataBytes: Int = 0) -> [UInt8] {
  assembled(Array(header.utf8), dataBytes: dataBytes)
}
