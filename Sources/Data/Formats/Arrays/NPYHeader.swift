import Kernels

/// The contents of an NPY header such as {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)}.
struct NPYHeader {
  let encoding: Encoding
  let columnMajor: Bool
  let dimensions: [Int]
  /// Number of bytes before the first value.
  let dataOffset: Int

  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Longest header that is read. NumPy's own default limit is 10,000 bytes.
  private static let maximumHeaderBytes = 1 << 16

  /// Reads the header of a stream and leaves the stream at the first value.
  init(_ stream: any ByteStream) throws(Failure) {
    let name = stream.name
    let preamble = try stream.bytes(8)
    guard preamble.starts(with: NPYHeader.magic) else {
      throw .malformed(name, "does not begin like NPY, but with \(printable(preamble))")
    }
    guard (1...3).contains(preamble[6]), preamble[7] == 0 else {
      throw .malformed(name, "is NPY version \(preamble[6]).\(preamble[7]); 1.0, 2.0 and 3.0 are read")
    }
    let lengthBytes = try stream.bytes(preamble[6] == 1 ? 2 : 4)
    let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= NPYHeader.maximumHeaderBytes else {
      throw .malformed(name, "its header claims \(length) bytes, more than \(NPYHeader.maximumHeaderBytes)")
    }
    var parser = HeaderParser(name: name, text: try stream.bytes(length))
    try parser.parse()
    guard let type = parser.type, let columnMajor = parser.columnMajor, let dimensions = parser.dimensions else {
      throw parser.malformed("descr, fortran_order and shape are not all there")
    }
    encoding = try npyEncoding(type, name)
    self.columnMajor = columnMajor
    self.dimensions = dimensions
    dataOffset = preamble.count + lengthBytes.count + length
  }

  /// Returns the layout of the array. Throws unless the array ends at the end of its file or member of `length` bytes.
  func layout(use: ArrayLayout.Use, length: Int, name: String) throws(Failure) -> ArrayLayout {
    let layout = try ArrayLayout(
      dimensions, use: use, encoding: encoding, columnMajor: columnMajor, dataOffset: dataOffset, name: name)
    guard layout.dataBytes == length - dataOffset else {
      throw .malformed(
        name, "the header says \(layout.summary), but \(length - dataOffset) bytes follow it",
        hint: "save or copy it again")
    }
    return layout
  }
}

private let npyTypes: [String: ElementType] = [
  "b1": .b1, "u1": .u8, "i1": .i1, "i2": .i2, "u2": .u2, "i4": .i4, "u4": .u4, "i8": .i8, "u8": .u64,
  "f2": .f2, "f4": .f4, "f8": .f8,
]

/// Returns the encoding of a NumPy type string such as "<f4".
private func npyEncoding(_ text: String, _ name: String) throws(Failure) -> Encoding {
  if let type = npyTypes[String(text.dropFirst())], let order = text.first, "<>|=".contains(order) {
    guard order != "|" || type.byteCount == 1 else {
      throw .malformed(name, "its type '\(text)' has no byte order")
    }
    return Encoding(type: type, bigEndian: order == ">")
  }
  if text.contains("O") {
    throw .malformed(
      name, "holds pickled Python objects, which are not read: they can run code",
      hint: "save numbers: np.save(path, array.astype(np.float32))")
  }
  throw .malformed(
    name, "its type '\(text.printable)' is not read", hint: "save numbers: array.astype(np.float32)")
}

/// A parser for the Python dictionary of an NPY header. It is strict, because the header determines how bytes are
/// interpreted.
private struct HeaderParser {
  let name: String
  let text: [UInt8]
  private var at = 0
  var type: String?
  var columnMajor: Bool?
  var dimensions: [Int]?

  init(name: String, text: [UInt8]) {
    self.name = name
    self.text = text
  }

  func malformed(_ what: String) -> Failure {
    .malformed(name, "damaged NPY header, at byte \(at): \(what)", hint: "save it again with np.save")
  }

  mutating func parse() throws(Failure) {
    try expect("{")
    while !accept("}") {
      let key = try string()
      try expect(":")
      switch key {
      case "descr" where type == nil:
        if peek() == UInt8(ascii: "[") {
          throw .malformed(name, "holds records with named fields", hint: "save one plain array of numbers")
        }
        type = try string()
      case "fortran_order" where columnMajor == nil: columnMajor = try truth()
      case "shape" where dimensions == nil: dimensions = try tuple()
      default: throw malformed("unexpected key '\(key.printable)'")
      }
      if !accept(",") {
        try expect("}")
        break
      }
    }
    guard peek() == nil else { throw malformed("something follows the dictionary") }
  }

  /// Skips white space and returns the next byte without consuming it.
  private mutating func peek() -> UInt8? {
    while at < text.count, [0x20, 0x0a, 0x0d, 0x09].contains(text[at]) { at += 1 }
    return at < text.count ? text[at] : nil
  }

  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
    guard accept(character) else { throw malformed("'\(character)' is missing") }
  }

  private mutating func string() throws(Failure) -> String {
    guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw malformed("a quoted word is missing")
    }
    let start = at + 1
    guard let end = text[start...].firstIndex(of: quote) else { throw malformed("a quote is not closed") }
    at = end + 1
    return String(decoding: text[start..<end], as: UTF8.self)
  }

  private mutating func truth() throws(Failure) -> Bool {
    _ = peek()
    for (word, value) in [("True", true), ("False", false)] where text[at...].starts(with: word.utf8) {
      at += word.utf8.count
      return value
    }
    throw malformed("True or False is missing")
  }

  private mutating func tuple() throws(Failure) -> [Int] {
    var sizes: [Int] = []
    try expect("(")
    while !accept(")") {
      sizes.append(try size())
      guard sizes.count <= 32 else { throw malformed("more than 32 dimensions") }
      if !accept(",") {
        try expect(")")
        break
      }
    }
    return sizes
  }

  /// Parses a size. Python 2 appended an L to large integers.
  private mutating func size() throws(Failure) -> Int {
    _ = peek()
    var value = 0
    let start = at
    while at < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[at]) {
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      let (next, carry) = tenfold.addingReportingOverflow(Int(text[at] - UInt8(ascii: "0")))
      guard !overflow, !carry else { throw malformed("a size beyond 64 bits") }
      value = next
      at += 1
    }
    guard at > start else { throw malformed("a size is missing or negative") }
    if at < text.count, text[at] == UInt8(ascii: "L") { at += 1 }
    return value
  }
}
