import Autograd
import Foundation
import Kernels
import Testing

/// Operations that only training and sampling need, and that no exported model contains.
private let untranslated: Set = [
  "StandardNormal", "LikelihoodSample", "LogisticMixtureSample", "TableSample", "PriorDiscrepancy",
  "TotalCorrelation", "StructuralDissimilarity", "ColumnSums",
]

@Suite struct TranslationTests {
  /// The translation of a case to ONNX, and its inputs.
  private func translate(
    _ recording: Recording
  ) throws -> (graph: PortableGraph, inputs: [String: PortableArray]) {
    let writer = PortableWriter(), parameters = recording.parameters.base
    let translation = Translation(of: recording.graph, into: writer) {
      ("parameter.\($0)", UnsafePointer(parameters + $0))
    }
    var inputs: [String: PortableArray] = [:]
    for (i, (leaf, tensor, _)) in recording.leaves.enumerated() where [.data, .input].contains(leaf.role) {
      translation[tensor] = writer.input("x\(i)", Array(leaf.shape.dropFirst()))
      inputs["x\(i)"] = PortableArray(leaf.shape, leaf.values.map(Double.init))
    }
    try translation.write([recording.root])
    writer.output(translation[recording.root], as: "y", Array(recording.root.shape.dimensions.dropFirst()))
    return (writer.graph, inputs)
  }

  private func isTranslated(_ operation: any Autograd.Operation) -> Bool {
    !untranslated.contains(String(describing: type(of: operation)))
  }

  @Test("The translation of an operation to ONNX computes the same as its forward outside training", arguments: opCases)
  func operation(opCase: OpCase) throws {
    let recording = Recording(opCase)
    // Noise that an operation draws has no translation and is replaced by its mean. Noise that is given is used.
    let draws = recording.graph.operations.contains { $0 is any NoiseOperation }
    let replay = Replay.evaluation(recording.samples, seed: OpCase.seed)
    recording.replay = draws ? replay.atMean : replay
    let expected = recording.forward()
    guard recording.graph.operations.last.map(isTranslated) ?? true else {
      let error = #expect(throws: Failure.self) { try translate(recording) }
      let name = try #require(recording.graph.operations.last.map { type(of: $0).name })
      #expect(error?.message.contains(name) == true, "\(String(describing: error))")
      return
    }
    let (graph, inputs) = try translate(recording)
    let y = try #require(try PortableInterpreter(graph).run(inputs)["y"])
    #expect(y.extents == recording.root.shape.dimensions)
    let scale = expected.reduce(1) { max($0, Double(abs($1))) }
    #expect(y.numbers.count == expected.count)
    for (found, expected) in zip(y.numbers, expected) { #expect(abs(found - Double(expected)) <= 2e-6 * scale) }
  }

  @Test("Every operation except those for training and sampling has a translation to ONNX")
  func allAreTranslated() {
    for operation in opCases.flatMap({ Recording($0).graph.operations }) {
      #expect((operation is any PortableOperation) == isTranslated(operation), "\(type(of: operation))")
    }
  }

  @Test("Nothing is transposed between two convolutions, and parameters keep their names")
  func turnsAsLittleAsPossible() throws {
    let graph = Graph(batch: 2, recordsGradients: false)
    let window = ConvolutionWindow(kernel: 3, padding: 1)
    let x = graph.input([2, 4, 4, 1])
    var h = x, offset = 0
    for depth in [3, 5, 2] {
      let weight = graph.parameter([3, 3, h.shape[3], depth], offset: offset)
      let bias = graph.parameter([depth], offset: offset + weight.count)
      offset += weight.count + depth
      h = graph.convolution(h, weight: weight, bias: bias, window: window, activation: .silu)
    }
    let values = Buffer.allocate(Float.self, count: offset), writer = PortableWriter()
    defer { values.deallocate() }
    let translation = Translation(of: graph, into: writer) { ("at.\($0)", UnsafePointer(values + $0)) }
    translation[x] = writer.input("x", [4, 4, 1])
    try translation.write([h])
    writer.output(translation[rows: h], as: "y", [32])
    let operations = writer.graph.nodes.map(\.operation)
    #expect(operations.filter { $0 == "Conv" }.count == 3)
    #expect(operations.filter { $0 == "Transpose" }.count == 2)
    #expect(writer.graph.constants.prefix(2).map(\.name) == ["at.0", "at.27"])
    #expect(writer.graph.constants[0].extents == [3, 1, 3, 3])
  }

  @Test("The interpreter names an unknown operator, and a value that no node computes")
  func faults() throws {
    let writer = PortableWriter()
    let x = writer.input("x", [3])
    writer.output(writer.node("Magic", [x]), as: "y", [3])
    let array = PortableArray([1, 3], [1, 2, 3])
    #expect(throws: Failure.self) { try PortableInterpreter(writer.graph).run(["x": array]) }
    let error = #expect(throws: Failure.self) { try PortableInterpreter(writer.graph).run(["z": array]) }
    #expect(error?.message.contains("\"x\"") == true)
  }
}
