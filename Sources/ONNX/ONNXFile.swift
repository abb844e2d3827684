import Autograd
import Kernels
import Persistence

/// A portable graph as an ONNX file: IR version 8, opset 17 (onnx/onnx.proto3).
package struct ONNXFile: Sendable, Equatable {
  package var graph: PortableGraph
  package var name: String
  /// Information for readers of the file, stored as `doc_string`.
  package var description: String
  package var metadata: [String: String]

  static let irVersion = 8
  static let opset = 17
  /// The symbolic name of the first extent of all inputs and outputs.
  static let batch = "batch"

  package init(graph: PortableGraph, name: String, description: String, metadata: [String: String]) {
    (self.graph, self.name, self.description, self.metadata) = (graph, name, description, metadata)
  }

  /// Values of `TensorProto.DataType` and `AttributeProto.AttributeType`.
  enum ElementType: Int { case float = 1, integer = 7, flag = 9 }
  enum AttributeType: Int { case float = 1, integer = 2, text = 3, integers = 7 }

  /// Encodes the file as a Protocol Buffers message. Throws if it exceeds the format's limit of 2 GiB.
  package func encoded(producer: String) throws(Failure) -> [UInt8] {
    let bytes = graph.constants.reduce(0) { $0 + 8 * $1.numbers.count }
    guard bytes < 1 << 31 else {
      throw Failure(
        .badConfiguration, "the model's weights are too large for one ONNX file, which has at most 2 GiB",
        hint: "use --format safetensors")
    }
    var model = ProtocolBuffer()
    model.add(1, Self.irVersion)
    model.add(2, "vae-dist")
    model.add(3, producer)
    model.add(6, description)
    model.add(7, encodedGraph)
    model.add(8, message { $0.add(2, Self.opset) })
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      model.add(
        14,
        message {
          $0.add(1, key)
          $0.add(2, value)
        })
    }
    return model.bytes
  }

  private var encodedGraph: ProtocolBuffer {
    message { part in
      for node in graph.nodes { part.add(1, encoded(node)) }
      part.add(2, name)
      for constant in graph.constants { part.add(5, encoded(constant)) }
      for port in graph.inputs { part.add(11, encoded(port)) }
      for port in graph.outputs { part.add(12, encoded(port)) }
    }
  }

  private func encoded(_ node: PortableGraph.Node) -> ProtocolBuffer {
    message { part in
      for input in node.inputs { part.add(1, input) }
      part.add(2, node.output)
      part.add(3, node.output)
      part.add(4, node.operation)
      for (name, value) in node.attributes.sorted(by: { $0.key < $1.key }) { part.add(5, encoded(name, value)) }
    }
  }

  private func encoded(_ name: String, _ attribute: PortableGraph.Attribute) -> ProtocolBuffer {
    message { part in
      part.add(1, name)
      func type(_ type: AttributeType) { part.add(20, type.rawValue) }
      switch attribute {
      case .float(let value):
        part.add(2, value)
        type(.float)
      case .integer(let value):
        part.add(3, value)
        type(.integer)
      case .text(let value):
        part.add(4, value)
        type(.text)
      case .integers(let values):
        for value in values { part.add(8, value) }
        type(.integers)
      }
    }
  }

  private func encoded(_ constant: PortableGraph.Constant) -> ProtocolBuffer {
    message { part in
      for extent in constant.extents { part.add(1, extent) }
      switch constant.numbers {
      case .floats(let values):
        part.add(2, ElementType.float.rawValue)
        part.add(8, constant.name)
        values.withUnsafeBytes { part.add(9, $0) }
      case .integers(let values):
        part.add(2, ElementType.integer.rawValue)
        part.add(8, constant.name)
        values.withUnsafeBytes { part.add(9, $0) }
      }
    }
  }

  private func encoded(_ port: PortableGraph.Port) -> ProtocolBuffer {
    let shape = message { part in
      part.add(1, message { $0.add(2, Self.batch) })
      for extent in port.extents { part.add(1, message { $0.add(1, extent) }) }
    }
    let tensor = message { part in
      part.add(1, (port.isFlag ? ElementType.flag : .float).rawValue)
      part.add(2, shape)
    }
    return message { part in
      part.add(1, port.name)
      part.add(2, message { $0.add(1, tensor) })
    }
  }

  private func message(_ fill: (inout ProtocolBuffer) -> Void) -> ProtocolBuffer {
    var message = ProtocolBuffer()
    fill(&message)
    return message
  }
}
