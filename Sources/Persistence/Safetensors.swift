import Kernels

#if _endian(big)
#error("safetensors is little-endian; swap on the way in and out before building for a big-endian machine")
#endif

/// A tensor of a file: its name and its shape; row-major float32.
package struct TensorDescription: Sendable, Equatable {
  package let name: String
  package let shape: [Int]

  package init(name: String, shape: [Int]) {
    self.name = name
    self.shape = shape
  }
}

/// The safetensors format: u64 header length, JSON header, data without gaps (huggingface/safetensors, README.md).
package enum Safetensors {
  /// The header of a file whose data are the tensors in the given order, float32, contiguous, from the byte after it.
  /// A multiple of 8 bytes long, padded with spaces; `__metadata__` holds `format: pt` and the given strings.
  package static func encodeHeader(_ tensors: [TensorDescription], metadata: [String: String]) -> [UInt8] {
    precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors of one name")
    let strings = metadata.merging(["format": "pt"]) { _, pt in pt }.sorted { $0.key < $1.key }
    let pairs = strings.map { "\(quoted($0.key)):\(quoted($0.value))" }.joined(separator: ",")
    var header = "{\"__metadata__\":{\(pairs)}"
    var offset = 0
    for tensor in tensors {
      precondition(tensor.name != "__metadata__", "a tensor named __metadata__")
      guard let count = elementCount(tensor.shape), let bytes = checkedProduct(count, 4) else {
        preconditionFailure("\(tensor.name) has an impossible shape, \(tensor.shape)")
      }
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      header += ",\(quoted(tensor.name)):{\"dtype\":\"F32\",\"shape\":[\(shape)],"
      header += "\"data_offsets\":[\(offset),\(offset + bytes)]}"
      offset += bytes
    }
    header += "}"
    header += String(repeating: " ", count: -header.utf8.count & 7)
    let length = UInt64(header.utf8.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(header.utf8)
  }

  /// The product of the extents, 1 for a scalar; nil where one is negative or the product overflows.
  static func elementCount(_ shape: [Int]) -> Int? {
    // Zero anywhere makes the whole product zero, but the others must still be sensible on their own.
    shape.reduce(1) { product, extent in
      guard let product, extent >= 0 else { return nil }
      return checkedProduct(product, extent)
    }
  }

  static func checkedProduct(_ left: Int, _ right: Int) -> Int? {
    let (product, overflow) = left.multipliedReportingOverflow(by: right)
    return overflow ? nil : product
  }

  /// A JSON string (RFC 8259, section 7).
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\u{0}"..<" ":
        let code = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - code.count) + code
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
