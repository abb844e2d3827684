import Autograd
import Kernels
import Persistence

/// Reads files written by `ONNXFile`, and other files that use only the same features.
extension ONNXFile {
  private static let limit = 1 << 31

  package init(path: String) throws(Failure) {
    let bytes = try DurableFile.read(path, limit: Self.limit)
    do throws(ProtocolBufferReader.Fault) {
      self = try ONNXFile(bytes[...])
    } catch {
      throw Failure(.badData, "\(path.printable) is not a readable ONNX file", hint: "export the model again")
    }
  }

  init(_ message: ArraySlice<UInt8>) throws(ProtocolBufferReader.Fault) {
    self.init(graph: PortableGraph(), name: "", description: "", metadata: [:])
    for (field, value) in try ProtocolBufferReader.fields(of: message) {
      switch (field, value) {
      case (6, .bytes(let text)): description = String(decoding: text, as: UTF8.self)
      case (7, .bytes(let part)): try readGraph(part)
      case (14, .bytes(let part)):
        let texts = try Self.texts(part)
        metadata[texts[1]?.first ?? ""] = texts[2]?.first ?? ""
      default: break
      }
    }
  }

  private mutating func readGraph(_ message: ArraySlice<UInt8>) throws(ProtocolBufferReader.Fault) {
    for (field, value) in try ProtocolBufferReader.fields(of: message) {
      guard case .bytes(let part) = value else { continue }
      switch field {
      case 1: graph.nodes.append(try Self.node(part))
      case 2: name = String(decoding: part, as: UTF8.self)
      case 5: graph.constants.append(try Self.constant(part))
      case 11: graph.inputs.append(try Self.port(part))
      case 12: graph.outputs.append(try Self.port(part))
      default: break
      }
    }
  }

  /// Returns the text fields of a message by field number.
  private static func texts(_ message: ArraySlice<UInt8>) throws(ProtocolBufferReader.Fault) -> [Int: [String]] {
    var texts: [Int: [String]] = [:]
    for (field, value) in try ProtocolBufferReader.fields(of: message) {
      if case .bytes(let text) = value { texts[field, default: []].append(String(decoding: text, as: UTF8.self)) }
    }
    return texts
  }

  private static func node(_ message: ArraySlice<UInt8>) throws(ProtocolBufferReader.Fault) -> PortableGraph.Node {
    var node = PortableGraph.Node(operation: "", inputs: [], output: "", attributes: [:])
    for (field, value) in try ProtocolBufferReader.fields(of: message) {
      guard case .bytes(let part) = value else { continue }
      let text = String(decoding: part, as: UTF8.self)
      switch field {
      case 1: node.inputs.append(text)
      case 2:
        // Operators with several results are not supported.
        guard node.output.isEmpty else { throw .init() }
        node.output = text
      case 4: node.operation = text
      case 5:
        let (name, attribute) = try attribute(part)
        node.attributes[name] = attribute
      default: break
      }
    }
    return node
  }

  private static func attribute(
    _ message: ArraySlice<UInt8>
  ) throws(ProtocolBufferReader.Fault) -> (String, PortableGraph.Attribute?) {
    var name = "", type: Int?, float: Float = 0, integer = 0, integers: [Int] = [], text = ""
    for (field, value) in try ProtocolBufferReader.fields(of: message) {
      switch (field, value) {
      case (1, .bytes(let part)): name = String(decoding: part, as: UTF8.self)
      case (2, .word(let bits)): float = Float(bitPattern: bits)
      case (3, .integer(let value)): integer = value
      case (4, .bytes(let part)): text = String(decoding: part, as: UTF8.self)
      case (8, .integer(let value)): integers.append(value)
      case (20, .integer(let value)): type = value
      default: break
      }
    }
    let attribute: PortableGraph.Attribute? =
      switch type.flatMap(AttributeType.init) {
      case .float: .float(float)
      case .integer: .integer(integer)
      case .text: .text(text)
      case .integers: .integers(integers)
      case nil: nil
      }
    return (name, attribute)
  }

  private static func constant(
    _ message: ArraySlice<UInt8>
  ) throws(ProtocolBufferReader.Fault) -> PortableGraph.Constant {
    var name = "", extents: [Int] = [], type: ElementType?, data: ArraySlice<UInt8> = []
    for (field, value) in try ProtocolBufferReader.fields(of: message) {
      switch (field, value) {
      case (1, .integer(let extent)): extents.append(extent)
      case (2, .integer(let value)): type = ElementType(rawValue: value)
      case (8, .bytes(let part)): name = String(decoding: part, as: UTF8.self)
      case (9, .bytes(let part)): data = part
      default: break
      }
    }
    let numbers: PortableGraph.Numbers
    switch type {
    case .float: numbers = .floats(try values(data, count: checkedProduct(extents)))
    case .integer: numbers = .integers(try values(data, count: checkedProduct(extents)))
    case .flag, nil: throw .init()
    }
    return PortableGraph.Constant(name: name, extents: extents, numbers: numbers)
  }

  private static func values<T: BitwiseCopyable>(
    _ data: ArraySlice<UInt8>, count: Int?
  ) throws(ProtocolBufferReader.Fault) -> [T] {
    guard let count, data.count % MemoryLayout<T>.stride == 0, data.count / MemoryLayout<T>.stride == count else {
      throw .init()
    }
    return data.withUnsafeBytes { bytes in
      (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self) }
    }
  }

  private static func port(_ message: ArraySlice<UInt8>) throws(ProtocolBufferReader.Fault) -> PortableGraph.Port {
    var port = PortableGraph.Port(name: "", extents: [])
    for (field, value) in try ProtocolBufferReader.fields(of: message) {
      switch (field, value) {
      case (1, .bytes(let part)): port.name = String(decoding: part, as: UTF8.self)
      case (2, .bytes(let part)): try readType(part, of: &port)
      default: break
      }
    }
    return port
  }

  private static func readType(
    _ message: ArraySlice<UInt8>, of port: inout PortableGraph.Port
  ) throws(ProtocolBufferReader.Fault) {
    guard case (1, .bytes(let tensor))? = try ProtocolBufferReader.fields(of: message).first else { throw .init() }
    for (field, value) in try ProtocolBufferReader.fields(of: tensor) {
      switch (field, value) {
      case (1, .integer(let type)): port.isFlag = type == ElementType.flag.rawValue
      case (2, .bytes(let shape)):
        for (field, value) in try ProtocolBufferReader.fields(of: shape) {
          guard field == 1, case .bytes(let dimension) = value else { continue }
          if case (1, .integer(let extent))? = try ProtocolBufferReader.fields(of: dimension).first {
            port.extents.append(extent)
          }
        }
      default: break
      }
    }
  }
}
