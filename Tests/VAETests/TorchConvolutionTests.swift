import Autograd
import Kernels
import Layers
import Persistence
import TestSupport
import Testing

/// Convolutions that PyTorch computed, as in the file. Images are (batch, channels, rows, columns).
private struct Convolutions: Decodable {
  struct Case: Decodable {
    let transposed: Bool
    let x, y: [Int]
    let kernel, stride, padding, groups: Int
    let outputPadding: [Int]
  }
  let cases: [Case]
}

@Suite struct TorchConvolutionTests {
  @Test("Outputs and gradients of convolutions and transposed convolutions equal those of PyTorch")
  func cases() throws {
    let file = try SafetensorsFile(path: fixtures.appending(path: "convolutions.safetensors").path)
    let cases = try fixture("convolutions.json", as: Convolutions.self).cases
    #expect(cases.count { $0.transposed } >= 8 && cases.count { !$0.transposed } >= 8)
    for (number, expected) in cases.enumerated() {
      let window = ConvolutionWindow(
        kernel: expected.kernel, stride: expected.stride, padding: expected.padding, groups: expected.groups)
      let image = ImageShape(rows: expected.y[2], columns: expected.y[3], channels: expected.y[1])
      let graph = Graph(batch: expected.x[0]), store = ParameterStore()
      let layer = ParameterScope(graph: graph, store: store)
      let x = graph.input(Shape(channelsLast(expected.x)), needsGradient: true)
      let y =
        expected.transposed
        ? layer.transposedConvolution(x, to: image, window: window)
        : layer.convolution(x, to: image.channels, window: window)
      #expect(y.shape.dimensions == channelsLast(expected.y), "case \(number)")
      if expected.transposed {
        let padded = zip(expected.x[2...], expected.outputPadding).map { window.enlarged($0) + $1 }
        #expect(padded == Array(expected.y[2...]), "case \(number)")
      }

      store.allocate(seed: 0)
      graph.finalize(parameters: store.values)
      graph[x].update(from: try file.images("\(number).x", expected.x), count: x.count)
      for parameter in store.parameters {
        let values = try file.values("\(number).\(parameter.name)", parameter.fileShape, parameter.layout)
        (store.values + parameter.offset).update(from: values, count: values.count)
      }
      let gradients = Buffer(count: store.count)
      graph.forward()
      func compare(_ name: String, _ ours: UnsafePointer<Float>, _ theirs: [Float]) {
        let largest = theirs.reduce(0) { max($0, abs($1)) }
        let worst = theirs.indices.map { abs(ours[$0] - theirs[$0]) }.max() ?? .infinity
        // The sums have up to some hundred products of about 1, and each addition rounds.
        #expect(worst <= 2e-6 * largest, "case \(number), \(expected): \(name) is \(worst) off, of \(largest)")
      }
      compare("y", graph[y], try file.images("\(number).y", expected.y))
      graph.backward(
        from: y, seed: try file.images("\(number).gradient.y", expected.y), gradients: gradients.base)
      compare(
        "gradient.x", try #require(graph.gradient(x)), try file.images("\(number).gradient.x", expected.x))
      for parameter in store.parameters {
        let name = "gradient.\(parameter.name)"
        compare(
          name, gradients.base + parameter.offset,
          try file.values("\(number).\(name)", parameter.fileShape, parameter.layout))
      }
    }
  }
}
