import Kernels

#if _endian(big)
#error("safetensors is little-endian; swap on the way in and out before building for a big-endian machine")
#endif

/// The name and shape of a tensor of a file, stored as row-major float32.
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
  /// Returns the header of a file with the given float32 tensors, stored contiguously in this order. Its length is a
  /// multiple of 8 bytes, padded with spaces. `__metadata__` holds `format: pt` and the given strings.
  package static func encodeHeader(_ tensors: [TensorDescription], metadata: [String: String]) -> [UInt8] {
    precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors of one name")
    let strings = metadata.merging(["format": "pt"]) { _, pt in pt }.sorted { $0.key < $1.key }
    let pairs = strings.map { "\(quoted($0.key)):\(quoted($0.value))" }.joined(separator: ",")
    var header = "{\"__metadata__\":{\(pairs)}"
    var offset = 0
    for tensor in tensors {
      precondition(tensor.name != "__metadata__", "a tensor named __metadata__")
      guard let count = checkedProduct(tensor.shape), let bytes = checkedProduct([count, 4]) else {
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

  /// Returns a JSON string (RFC 8259, section 7).
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
