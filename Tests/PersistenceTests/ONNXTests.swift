import Autograd
import Kernels
@testable import ONNX
import Testing

@testable import Persistence

/// A graph with attributes and constants of each kind and a flag.
private func exampleFile() -> ONNXFile {
  let writer = PortableWriter()
  let x = writer.input("x", [2, 3, 4])
  let weights = writer.constant("größe.0.weight", [2, 2, 1, 1], [1, -0.0, .infinity, .leastNonzeroMagnitude])
  let y = writer.node(
    "Conv", [x, weights, nil],
    ["kernel_shape": .integers([1, 1]), "group": .integer(-3), "alpha": .float(0.25), "mode": .text("CRD")])
  let sum = y.reshaped([-1]).sumOfRow()
  writer.output(sum * 0.5, as: "score", [])
  writer.output(sum.isGreater(than: 3), as: "anomalous", [], isFlag: true)
  return ONNXFile(graph: writer.graph, name: "scorer", description: "what it is", metadata: ["a": "1", "b": ""])
}

@Suite struct ONNXTests {
  let scratch = Scratch()

  @Test("An ONNX file that was written is read back unchanged")
  func roundTrip() throws {
    let file = exampleFile(), path = scratch / "a.onnx"
    put(try file.encoded(producer: "test"), path)
    #expect(try ONNXFile(path: path) == file)
  }

  @Test("The bytes of an ONNX file follow onnx.proto3")
  func bytes() throws {
    let empty = ONNXFile(graph: PortableGraph(), name: "g", description: "d", metadata: ["k": "v"])
    // ir_version 8; producer; its version; doc_string; graph { name }; opset_import { version 17 }; metadata_props
    let expected: [UInt8] =
      [0x08, 8, 0x12, 8] + Array("vae-dist".utf8) + [0x1a, 1, 0x70, 0x32, 1, 0x64, 0x3a, 3, 0x12, 1, 0x67]
      + [0x42, 2, 0x10, 17, 0x72, 6, 0x0a, 1, 0x6b, 0x12, 1, 0x76]
    #expect(try empty.encoded(producer: "p") == expected)
  }

  @Test("Truncated or mutated ONNX files are read or refused without a crash")
  func damage() throws {
    let whole = try exampleFile().encoded(producer: "test")
    var random = SplitMix(state: 5)
    for end in whole.indices { _ = try? ONNXFile(whole[..<end]) }
    for _ in 0..<5_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      _ = try? ONNXFile(bytes[...])
    }
    let path = scratch / "cut.onnx"
    put(Array(whole.dropLast(3)), path)
    let failure = try #require(failure { () throws(Failure) in _ = try ONNXFile(path: path) })
    #expect(failure.status == .badData && failure.message.contains("cut.onnx") && failure.hint != nil)
  }
}
