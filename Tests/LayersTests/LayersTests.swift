import Autograd
import Kernels
import Layers
import Testing

private func values(_ store: ParameterStore, _ name: String) -> [Float] {
  guard let parameter = store[name] else { return [] }
  return parameter.range.map { store.values[$0] }
}

@Suite struct ParameterStoreTests {
  @Test("Names are paths of scopes, and offsets follow the order of recording")
  func names() {
    let store = ParameterStore(), graph = Graph(batch: 2)
    let scope = ParameterScope(graph: graph, store: store)
    let h = scope["encoder"].perceptron(graph.input([2, 6]), widths: [5, 3], activation: .relu, dropout: 0)
    let y = scope["mu"].linear(h, to: 4)
    _ = scope["likelihood"].parameter("log_sigma", [1], .zeros)
    #expect(y.shape == [2, 4])
    let expected: [(String, Shape)] = [
      ("encoder.0.weight", [5, 6]), ("encoder.0.bias", [5]), ("encoder.1.weight", [3, 5]), ("encoder.1.bias", [3]),
      ("mu.weight", [4, 3]), ("mu.bias", [4]), ("likelihood.log_sigma", [1]),
    ]
    #expect(store.parameters.map(\.name) == expected.map(\.0))
    #expect(store.parameters.map(\.shape) == expected.map(\.1))
    var offset = 0
    for parameter in store.parameters {
      #expect(parameter.offset == offset && parameter.range.count == parameter.shape.count)
      offset += parameter.shape.count
    }
    #expect(store.count == offset)
    #expect(graph.scopeName == "")
  }

  @Test("A name that is declared again is the same parameter, in the same graph and in another one")
  func declaredTwice() {
    let store = ParameterStore()
    let a = store.declare("w", [2, 3], .uniform(1)), b = store.declare("w", [2, 3], .zeros)
    #expect(a.offset == b.offset && store.parameters.count == 1 && store.count == 6)
    store.allocate(seed: 1)
    // After allocation, other graphs may still record known parameters.
    let graph = Graph(batch: 7)
    let tensor = ParameterScope(graph: graph, store: store).parameter("w", [2, 3], .zeros)
    graph.finalize(parameters: store.values)
    #expect(graph[tensor] == store.values)
    #expect(store["w"]?.name == "w" && store["v"] == nil)
  }

  @Test("Initial values depend only on the seed and the name")
  func initialValues() {
    func make(_ names: [String], seed: UInt64) -> ParameterStore {
      let store = ParameterStore()
      for name in names { _ = store.declare(name, [40, 25], .uniform(0.5)) }
      store.allocate(seed: seed)
      return store
    }
    let a = make(["one", "two", "three"], seed: 1), b = make(["three", "one"], seed: 1), c = make(["one"], seed: 2)
    #expect(values(a, "one") == values(b, "one") && values(a, "three") == values(b, "three"))
    #expect(values(a, "one") != values(a, "two"))
    #expect(values(a, "one") != values(c, "one"))
    #expect(a.digest() == make(["one", "two", "three"], seed: 1).digest())
    #expect(a.digest() != make(["one", "two", "three"], seed: 2).digest())
    #expect(a.digest().hasPrefix("sha256:") && a.digest().count == 7 + 64)
  }

  @Test("Parameters can begin as constants or zeros")
  func constants() {
    let store = ParameterStore()
    _ = store.declare("c", [3], .constant(1.5))
    _ = store.declare("z", [4], .zeros)
    store.allocate(seed: 9)
    #expect(values(store, "c") == [1.5, 1.5, 1.5] && values(store, "z") == [0, 0, 0, 0])
  }

  @Test("Normal initial values have their mean and deviation, and depend only on the seed and the name")
  func normal() {
    func make(_ seed: UInt64) -> [Float] {
      let store = ParameterStore()
      _ = store.declare("other", [3], .zeros)
      _ = store.declare("w", [100, 100], .normal(mean: 2, deviation: 0.5))
      store.allocate(seed: seed)
      return values(store, "w")
    }
    let drawn = make(1).map(Double.init), n = Double(drawn.count)
    #expect(make(1) == make(1) && make(1) != make(2))
    let mean = drawn.reduce(0, +) / n, variance = drawn.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
    // Within five standard errors.
    #expect(abs(mean - 2) < 5 * 0.5 / n.squareRoot())
    #expect(abs(variance - 0.25) < 5 * 0.25 * (2 / n).squareRoot())
    #expect((drawn.max() ?? 0) > 3.3 && (drawn.min() ?? 0) < 0.7)
  }

  @Test("Values from data are 0 until they are filled, which asks once for each such parameter")
  func fromData() throws {
    let store = ParameterStore()
    _ = store.declare("w", [2], .constant(3))
    _ = store.declare("inputs", [2, 2], .fromData)
    store.allocate(seed: 1)
    #expect(values(store, "inputs") == [0, 0, 0, 0])
    var asked: [String] = []
    try store.fillFromData { parameter throws(Failure) in
      asked.append(parameter.name)
      return [1, 2, 3, 4]
    }
    #expect(asked == ["inputs"] && values(store, "inputs") == [1, 2, 3, 4] && values(store, "w") == [3, 3])
    #expect(throws: Failure.self) {
      try store.fillFromData { _ throws(Failure) in throw Failure(.badData, "no data") }
    }
  }

  @Test(
    "A linear layer starts like torch.nn.Linear: weight and bias are uniform up to 1 / sqrt(inputs)",
    arguments: [1, 4, 100])
  func linearBounds(inputs: Int) {
    let store = ParameterStore(), graph = Graph(batch: 1)
    _ = ParameterScope(graph: graph, store: store)["layer"].linear(graph.input([1, inputs]), to: 2_000)
    store.allocate(seed: 3)
    let bound = 1 / Double(inputs).squareRoot()
    for name in ["layer.weight", "layer.bias"] {
      let values = values(store, name).map(Double.init), n = Double(values.count)
      #expect(values.allSatisfy { abs($0) <= bound * (1 + 1e-6) })
      #expect((values.max() ?? 0) > 0.99 * bound && (values.min() ?? 0) < -0.99 * bound)
      // Mean 0 and variance bound^2 / 3, within five standard errors.
      #expect(abs(values.reduce(0, +) / n) < 5 * bound / (3 * n).squareRoot())
      let variance = values.reduce(0) { $0 + $1 * $1 } / n
      #expect(abs(variance - bound * bound / 3) < 5 * bound * bound * (4 / 45 / n).squareRoot())
    }
  }

  @Test("Normalising layers start like those of torch.nn, with weight 1 and bias 0")
  func normalizations() {
    let store = ParameterStore(), graph = Graph(batch: 2), scope = ParameterScope(graph: graph, store: store)
    let x = graph.input([2, 3, 5, 4])
    let y = scope["row"].layerNorm(scope["image"].groupNorm(x, groups: 2, activation: .silu))
    store.allocate(seed: 1)
    #expect(y.shape == x.shape && graph.scopeName == "")
    #expect(store.parameters.map(\.name) == ["image.weight", "image.bias", "row.weight", "row.bias"])
    for layer in ["image", "row"] {
      #expect(values(store, layer + ".weight") == [1, 1, 1, 1] && values(store, layer + ".bias") == [0, 0, 0, 0])
    }
  }

  @Test("The layers of a perceptron have independent dropout masks")
  func dropoutStreams() {
    let store = ParameterStore(), graph = Graph(batch: 1)
    let x = graph.input([1, 400])
    // There are two layers of the same width whose product is the identity, so that only the masks differ.
    let y = ParameterScope(graph: graph, store: store)["net"]
      .perceptron(x, widths: [400, 400], activation: .identity, dropout: 0.5)
    store.allocate(seed: 1)
    store.values.zero(store.count)
    for layer in ["net.0.weight", "net.1.weight"] {
      for i in 0..<400 { store.values[(store[layer]?.offset ?? 0) + i * 400 + i] = 1 }
    }
    graph.finalize(parameters: store.values)
    for i in 0..<400 { graph[x][i] = 1 }
    var sample: UInt64 = 0
    withUnsafePointer(to: &sample) {
      graph.forward(.training($0, filled: 1, seed: 0, attempt: 0, epoch: 0))
    }
    let kept = (0..<400).filter { graph[y][$0] != 0 }.count
    // A quarter of the values passes independent masks, and half of them equal masks: 100 +- 5 * sqrt(75).
    #expect(abs(kept - 100) < 44)
    #expect((0..<400).allSatisfy { graph[y][$0] == 0 || graph[y][$0] == 4 })
  }

  /// Two learned parameters and three statistics, which are declared alternately.
  private func mixed() -> ParameterStore {
    let store = ParameterStore()
    _ = store.declare("a", [2], .constant(1))
    #expect(store.declareStatistic("moving", [3], .constant(2), .movingSum(decay: 0.5)) == 0)
    _ = store.declare("b", [4], .constant(3))
    #expect(store.declareStatistic("mean", [2], .zeros, .movingMean(decay: 0)) == 3)
    let whole = StatisticRule.whole { values, sums, step in
      let total = sums.reduce(0, +) + Float(step.updates)
      for i in values.indices { values[i] = total }
    }
    #expect(store.declareStatistic("whole", [2], .constant(4), whole) == 5)
    #expect(store.declareStatistic("moving", [3], .zeros, .movingSum(decay: 0)) == 0)
    store.allocate(seed: 1)
    return store
  }

  @Test("Statistics follow the learned parameters, for any order of declaration")
  func statisticsBehind() {
    let store = mixed()
    #expect(store.learnedCount == 6 && store.statisticCount == 7 && store.count == 13)
    #expect(store.parameters.map(\.name) == ["a", "b", "moving", "mean", "whole"])
    #expect(store.parameters.map(\.offset) == [0, 2, 6, 9, 11])
    #expect(store.parameters.map(\.isLearned) == [true, true, false, false, false])
    #expect((0..<13).map { store.values[$0] } == [1, 1, 3, 3, 3, 3, 2, 2, 2, 0, 0, 4, 4])
    #expect(store.name(at: 9) == "mean" && store["whole"]?.offset == 11)
    let graph = Graph(batch: 1), scope = ParameterScope(graph: graph, store: store)
    let tensor = scope.statistic("mean", [2], .zeros, .movingMean(decay: 0))
    graph.finalize(parameters: store.values)
    #expect(graph[tensor] == store.values + 9)
    #expect(FileValues(store, store.values).chunks.count == 5)
    #expect(FileValues(store, store.values, learnedOnly: true).chunks.count == 2)
  }

  @Test("The rule of a statistic is applied once, by one rank or divided among several", arguments: 1...8)
  func rules(ranks: Int) {
    let store = mixed(), copy = Buffer(count: store.count), sums = Buffer(count: store.count)
    for i in 0..<13 { sums.base[i] = Float(i) }
    for rank in 0..<ranks {
      let share = 6 + 7 * rank / ranks..<6 + 7 * (rank + 1) / ranks
      store.updateStatistics(
        sums: sums.base, share: share, copy: copy.base, StatisticStep(updates: 100, samples: 4))
    }
    let expected: [Float] = [1, 1, 3, 3, 3, 3, 4, 4.5, 5, 9.0 / 4, 10.0 / 4, 123, 123]
    #expect((0..<13).map { store.values[$0] } == expected)
    #expect((0..<13).map { copy.base[$0] } == [0, 0, 0, 0, 0, 0] + expected[6...])
  }

  @Test("Wrong declarations of parameters end the process")
  func mistakes() async {
    await #expect(processExitsWith: .failure) {
      let store = ParameterStore()
      _ = store.declare("w", [2, 3], .zeros)
      _ = store.declare("w", [3, 2], .zeros)
    }
    await #expect(processExitsWith: .failure) {
      let store = ParameterStore()
      store.allocate(seed: 1)
      _ = store.declare("late", [2], .zeros)
    }
    await #expect(processExitsWith: .failure) {
      let store = ParameterStore()
      _ = store.declare("w", [2], .zeros)
      _ = store.declareStatistic("w", [2], .zeros, .movingSum(decay: 0))
    }
  }
}
