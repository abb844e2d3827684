import Autograd
import Kernels
import Layers
import Persistence
import TestSupport
import Testing

/// Layers that PyTorch computed, as in the file. Images are (batch, channels, rows, columns).
private struct TorchLayers: Decodable {
  struct Case: Decodable {
    let name: String
    let x, y: [Int]
    let groups, factor, kernel, stride, padding: Int?
    let countsPadding: Bool?

    func record(_ x: Tensor, in layer: ParameterScope) -> Tensor? {
      switch name {
      case "group_norm": return groups.map { layer.groupNorm(x, groups: $0) }
      case "group_norm_silu": return groups.map { layer.groupNorm(x, groups: $0, activation: .silu) }
      case "layer_norm": return layer.layerNorm(x)
      case "pixel_shuffle": return factor.map { layer.graph.pixelShuffle(x, by: $0) }
      case "upsample": return factor.map { layer.graph.upsample(x, by: $0) }
      case "average_pool":
        guard let kernel, let stride, let padding, let countsPadding else { return nil }
        return layer.graph.averagePool(
          x, window: .init(kernel: kernel, stride: stride, padding: padding), countsPadding: countsPadding)
      default: return nil
      }
    }
  }
  let cases: [Case]
}

/// The extents in memory, with channels last for images.
private func inMemory(_ shape: [Int]) -> [Int] { shape.count == 4 ? channelsLast(shape) : shape }

@Suite struct TorchLayerTests {
  @Test("Values and gradients of norms, upsampling, pixel shuffle and pooling equal those of PyTorch")
  func layers() throws {
    let file = try SafetensorsFile(path: fixtures.appending(path: "layers.safetensors").path)
    let cases = try fixture("layers.json", as: TorchLayers.self).cases
    #expect(Set(cases.map(\.name)).count == 6 && cases.count >= 17)
    for (number, expected) in cases.enumerated() {
      let what = "case \(number), \(expected.name) of \(expected.x)"
      func values(_ name: String, _ shape: [Int]) throws -> [Float] {
        let name = "\(number).\(name)"
        return try shape.count == 4 ? file.images(name, shape) : file.values(name, shape)
      }
      let graph = Graph(batch: expected.x[0]), store = ParameterStore()
      let x = graph.input(Shape(inMemory(expected.x)), needsGradient: true)
      let y = try #require(expected.record(x, in: ParameterScope(graph: graph, store: store)), "\(what)")
      #expect(y.shape == Shape(inMemory(expected.y)), "\(what)")
      store.allocate(seed: 0)
      graph.finalize(parameters: store.values)
      for parameter in store.parameters {
        let values = try values(parameter.name, parameter.fileShape)
        (store.values + parameter.offset).update(from: values, count: values.count)
      }
      graph[x].update(from: try values("x", expected.x), count: x.count)
      let gradients = Buffer(count: store.count)
      graph.forward()
      // Both sides use float32, for sums of some hundred values of a few units.
      func compare(_ name: String, _ ours: UnsafePointer<Float>, _ theirs: [Float]) {
        let largest = theirs.reduce(1) { max($0, abs($1)) }
        let worst = theirs.indices.map { abs(ours[$0] - theirs[$0]) }.max() ?? .infinity
        #expect(worst <= 4e-6 * largest, "\(what): \(name) is \(worst) off, of \(largest)")
      }
      compare("y", graph[y], try values("y", expected.y))
      graph.backward(from: y, seed: try values("gradient.y", expected.y), gradients: gradients.base)
      compare("gradient.x", try #require(graph.gradient(x)), try values("gradient.x", expected.x))
      for parameter in store.parameters {
        let name = "gradient.\(parameter.name)"
        compare(name, gradients.base + parameter.offset, try values(name, parameter.fileShape))
      }
    }
  }
}
