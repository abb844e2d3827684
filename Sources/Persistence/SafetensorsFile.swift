import Kernels

/// A safetensors file whose header is checked when it is opened. Tensors are read on demand and not mapped, because a
/// mapped file that shrinks raises SIGBUS.
package final class SafetensorsFile {
  package let metadata: [String: String]
  /// The tensors in the order of their data.
  package let tensors: [TensorDescription]

  private let file: OpenFile
  private let entries: [String: HeaderScanner.Entry]
  /// Offset of the data in bytes.
  private let base: Int

  /// Largest header in bytes, as in the reference implementation (MAX_HEADER_SIZE in safetensors/src/tensor.rs).
  private static let headerLimit = 100_000_000

  package init(path: String) throws(Failure) {
    let file = try OpenFile(reading: path)
    self.file = file
    let size = Int(try file.status().st_size)
    guard size >= 8 else { throw Self.damaged(path, "it has \(size) bytes and no header") }
    var length: UInt64 = 0
    try withUnsafeMutableBytes(of: &length) { buffer throws(Failure) in try file.read(into: buffer, at: 0) }
    guard length <= UInt64(Self.headerLimit), length <= UInt64(size - 8) else {
      throw Self.damaged(path, "its header claims \(length) bytes and the file has \(size)")
    }
    base = 8 + Int(length)
    var header = [UInt8](repeating: 0, count: Int(length))
    try header.withUnsafeMutableBufferPointer { buffer throws(Failure) in
      try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 8)
    }
    var scanner = HeaderScanner(header)
    do throws(HeaderScanner.Fault) {
      let (metadata, entries) = try scanner.scan()
      self.metadata = metadata
      self.entries = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0) })
      let ordered = entries.sorted { ($0.begin, $0.end, $0.name) < ($1.begin, $1.end, $1.name) }
      tensors = ordered.map { TensorDescription(name: $0.name, shape: $0.shape) }
      try Self.check(ordered, dataBytes: size - base)
    } catch {
      throw Self.damaged(path, error.description)
    }
  }

  /// Throws unless the tensors fill the data without gaps or overlaps and their shapes match their sizes.
  private static func check(_ entries: [HeaderScanner.Entry], dataBytes: Int) throws(HeaderScanner.Fault) {
    var end = 0
    for entry in entries {
      func fault(_ text: String) -> HeaderScanner.Fault {
        HeaderScanner.Fault(text: "tensor \"\(entry.name.printable)\" \(text)", offset: nil)
      }
      guard entry.begin == end, entry.end >= entry.begin else {
        throw fault("is at bytes \(entry.begin) to \(entry.end), but should begin at byte \(end)")
      }
      guard entry.end <= dataBytes else {
        throw fault("ends at byte \(entry.end) of the data, but the file has \(dataBytes) bytes of data")
      }
      guard let bits = bitsPerElement[entry.dtype] else { throw fault("has the type \"\(entry.dtype.printable)\"") }
      guard let count = checkedProduct(entry.shape), let size = checkedProduct([count, bits]),
        size & 7 == 0, size / 8 == entry.end - entry.begin
      else {
        throw fault("of shape \(entry.shape) and type \(entry.dtype) has \(entry.end - entry.begin) bytes")
      }
      end = entry.end
    }
    guard end == dataBytes else {
      throw HeaderScanner.Fault(text: "the data have \(dataBytes) bytes and the tensors \(end)", offset: nil)
    }
  }

  private static let bitsPerElement = [
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
  ]

  /// Copies the elements of a tensor to `target`. Throws unless the tensor has the given shape and the type F32.
  package func copy(_ name: String, shape: [Int], into target: UnsafeMutablePointer<Float>) throws(Failure) {
    let path = file.path.printable
    guard let entry = entries[name] else {
      throw Failure(.badData, "\(path) has no tensor \"\(name)\"", hint: "it belongs to another model or version")
    }
    guard entry.shape == shape else {
      throw Failure(
        .badData, "tensor \"\(name)\" of \(path) has shape \(entry.shape), and the model's is \(shape)",
        hint: "use the configuration that the file was made with")
    }
    guard entry.dtype == "F32" else {
      throw Failure(
        .badData, "tensor \"\(name)\" of \(path) has the type \(entry.dtype), and only F32 is read",
        hint: "convert it: tensor.float() in PyTorch")
    }
    let bytes = UnsafeMutableRawBufferPointer(start: target, count: entry.end - entry.begin)
    try file.read(into: bytes, at: base + entry.begin)
  }

  private static func damaged(_ path: String, _ reason: String) -> Failure {
    Failure(
      .badData, "\(path.printable) is not a whole safetensors file: \(reason)",
      hint: "copy it again, or use another checkpoint")
  }
}
