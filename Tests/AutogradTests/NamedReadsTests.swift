import Kernels
import Testing

@testable import Autograd

/// Replays a recorded case operation by operation, each of which sees the tensors that it names and NaN elsewhere.
///
/// A tensor that an operation reads and does not name may be overwritten by the memory plan before it is read.
private final class IsolatedReplay {
  private let recording: Recording
  private let width: Int
  private let own: [UnsafeMutablePointer<Float>]
  private let gradients: [UnsafeMutablePointer<Float>]
  private let poison: UnsafeMutablePointer<Float>
  private let values: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  private let table: UnsafeMutablePointer<Memory.Gradient>
  private var isWritten: [Bool]
  private var graph: Graph { recording.graph }
  private var memory: Memory { Memory(values: values, gradients: table, replay: recording.replay) }

  init(_ recording: Recording) {
    self.recording = recording
    let tensors = recording.graph.operations.flatMap { $0.inputs + $0.outputs + $0.kept + $0.workspace }
    let named = tensors + recording.leaves.map(\.tensor) + [recording.root]
    // Operations refer to no tensor that is recorded after theirs. A few are added for tensors that are named nowhere.
    let count = (named.map(\.index).max() ?? 0) + 8
    let width = named.reduce(1) { max($0, $1.count) }
    self.width = width
    own = (0..<count).map { _ in Buffer.allocate(Float.self, count: width) }
    gradients = (0..<count).map { _ in Buffer.allocate(Float.self, count: width) }
    poison = Buffer.allocate(Float.self, count: width)
    values = .allocate(capacity: count)
    values.initialize(repeating: poison, count: count)
    table = .allocate(capacity: count)
    table.initialize(repeating: Memory.Gradient(base: nil), count: count)
    isWritten = Array(repeating: false, count: count)
    for tensor in tensors {
      if case .constant(let value) = recording.graph.origin(of: tensor) { own[tensor.index][0] = value }
    }
    for (leaf, tensor, _) in recording.leaves { own[tensor.index].update(from: leaf.values, count: leaf.count) }
    poison.update(repeating: .nan, count: width)
  }

  deinit {
    for buffer in own + gradients + [poison] { buffer.deallocate() }
    values.deallocate()
    table.deallocate()
  }

  /// Calls `body` with the values that an operation names, and checks that nothing else is written.
  private func isolated(_ operation: any Autograd.Operation, _ tensors: [Tensor], _ body: () -> Void) {
    let shown = Set((tensors + operation.workspace).map(\.index))
    for index in own.indices { values[index] = shown.contains(index) ? own[index] : poison }
    for tensor in operation.workspace { own[tensor.index].update(repeating: .nan, count: width) }
    body()
    let isIntact = (0..<width).allSatisfy { poison[$0].isNaN }
    #expect(isIntact, "\(type(of: operation).name) writes what it does not name")
  }

  func forward() -> [Float] {
    for operation in graph.operations {
      let named = operation.inputs + operation.outputs + operation.kept
      let read = Set(operation.inputs.map(\.index))
      for tensor in operation.outputs + operation.kept where !read.contains(tensor.index) {
        own[tensor.index].update(repeating: .nan, count: width)
      }
      isolated(operation, named) { operation.forward(memory) }
    }
    return Array(UnsafeBufferPointer(start: own[recording.root.index], count: recording.root.count))
  }

  /// The gradients of all leaves that have one.
  func backward(_ seed: [Float]) -> [[Float]?] {
    gradients[recording.root.index].update(from: seed, count: seed.count)
    isWritten[recording.root.index] = true
    for operation in graph.operations.reversed() where operation.outputs.contains(where: graph.needsGradient) {
      if !operation.readsOutput {
        for tensor in operation.outputs { own[tensor.index].update(repeating: .nan, count: width) }
      }
      for index in own.indices { table[index] = Memory.Gradient(base: nil) }
      let named = (operation.inputs + operation.outputs).filter(graph.needsGradient).map(\.index)
      for index in named { table[index] = Memory.Gradient(base: gradients[index], isWritten: isWritten[index]) }
      isolated(operation, operation.inputs + operation.outputs + operation.kept) { operation.backward(memory) }
      for index in named { isWritten[index] = table[index].isWritten }
    }
    return recording.leaves.map { leaf, tensor, _ in
      guard leaf.role.hasGradient else { return nil }
      guard isWritten[tensor.index] else { return [Float](repeating: 0, count: leaf.count) }
      return Array(UnsafeBufferPointer(start: gradients[tensor.index], count: leaf.count))
    }
  }
}

@Suite struct NamedReadsTests {
  @Test("An operation reads and writes only what it names", arguments: opCases)
  func isolated(opCase: OpCase) {
    let recording = Recording(opCase), replay = IsolatedReplay(recording)
    let expected = recording.forward()
    #expect(replay.forward() == expected)
    guard recording.graph.needsGradient(recording.root) else { return }
    let seed = expected.indices.map { 0.25 + Float($0 % 7) }
    #expect(replay.backward(seed) == recording.backward(seed))
  }

  /// Loss and gradient of a likelihood whose x is computed long before it is read.
  private func computed(keeps: Bool, _ likelihood: (Graph, Tensor, Tensor) -> Tensor) -> [Float] {
    let graph = Graph(batch: 4), parameters = Buffer(count: 9 * 9 + 9), gradients = Buffer(count: 9 * 9 + 9)
    for i in 0..<parameters.count { parameters.base[i] = Float(i % 5) / 10 - 0.2 }
    let input = graph.input([4, 9]), x = graph.activate(input, .sigmoid)
    let weight = graph.parameter([9, 9], offset: 0), bias = graph.parameter([9], offset: 81)
    var h = input
    for _ in 0..<6 { h = graph.linear(h, weight: weight, bias: bias, activation: .tanh) }
    let loss = likelihood(graph, x, h)
    if keeps { graph.keep([x]) }
    graph.finalize(parameters: parameters.base)
    for i in 0..<input.count { graph[input][i] = Float(i % 11) / 5 - 1 }
    graph.forward()
    let values = (0..<loss.count).map { graph[loss][$0] }
    graph.backward(from: loss, seed: [Float](repeating: 1, count: loss.count), gradients: gradients.base)
    return values + (0..<gradients.count).map { gradients.base[$0] }
  }

  @Test("A computed x keeps its values until the likelihood has read it for the last time")
  func computedData() {
    let image = ImageShape(rows: 3, columns: 3, channels: 1)
    let likelihoods: [(Graph, Tensor, Tensor) -> Tensor] = [
      { $0.bernoulli($1, logits: $2) }, { $0.gaussian($1, mean: $2, logSigma: $0.constant(0)) },
      { $0.laplace($1, mean: $2, logScale: $0.constant(0)) }, { $0.likelihood($1, location: $2, .gaussianOptimal) },
      { $0.likelihood($1, location: $2, .continuousBernoulli) },
      { $0.table($1, location: $2, raw: $0.constant(0), TableLayout(sizes: [1, 3, 2, 3])) },
      { $0.dissimilarity($1, $0.activate($2, .sigmoid), image: image) },
    ]
    for likelihood in likelihoods { #expect(computed(keeps: false, likelihood) == computed(keeps: true, likelihood)) }
  }

  @Test("An operation that would need to compute a gradient that it does not support is refused when recorded")
  func refusedGradients() async {
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.bernoulli(graph.input([2, 3], needsGradient: true), logits: graph.input([2, 3]))
    }
    await #expect(processExitsWith: .failure) {
      let graph = Graph(batch: 2)
      _ = graph.gaussian(
        graph.input([2, 3]), mean: graph.input([2, 3]), logSigma: graph.constant(0))
      _ = graph.weightedSum([(graph.parameter([1], offset: 0), graph.input([2, 3]))])
    }
  }
}
