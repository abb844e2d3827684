import Autograd
import Kernels
import Testing

/// A parameter with six values, two statistics behind it, and a hidden layer that adds sums to them.
private final class Watched {
  static let learned = 6
  let graph = Graph(batch: 4)
  let x, h, loss, mean, second: Tensor
  let parameters = Buffer(count: learned + 5), gradients = Buffer(count: learned + 5)
  private let samples = Buffer.allocate(UInt64.self, count: 4)

  init() {
    x = graph.input([4, 2])
    let start = { Watched.learned }
    // The statistics are declared before the last learned parameter.
    mean = graph.statistic([3], offset: 0, from: start)
    h = graph.linear(x, weight: mean3(graph), bias: graph.statistic([3], offset: 0, from: start), activation: .tanh)
    second = graph.statistic([2], offset: 3, from: start)
    graph.addColumnSums(h, to: mean)
    graph.addColumnSums(x, to: second)
    loss = graph.rowSum(h)
    graph.finalize(parameters: parameters.base)
    for i in 0..<parameters.count { parameters.base[i] = Float(i) / 10 }
    for i in 0..<8 { graph[x][i] = Float(i) - 3 }
  }

  deinit { samples.deallocate() }

  func replay(filled: Int, finished: (Int) -> Void = { _ in }) {
    for i in 0..<gradients.count { gradients.base[i] = .nan }
    graph.forward(.training(samples, filled: filled, seed: 0, attempt: 0, epoch: 0))
    graph.backward(from: loss, seed: [1, 1, 1, 1], gradients: gradients.base, finished: finished)
  }
}

private func mean3(_ graph: Graph) -> Tensor { graph.parameter([3, 2], offset: 0) }

@Suite struct StatisticTests {
  @Test(
    "The sums of statistics are over rows that are samples, behind the gradients of learned parameters",
    arguments: 0...4)
  func sums(filled: Int) {
    let watched = Watched()
    watched.replay(filled: filled)
    for j in 0..<3 {
      let expected = (0..<filled).reduce(Float(0)) { $0 + watched.graph[watched.h][3 * $1 + j] }
      #expect(abs(watched.gradients.base[6 + j] - expected) < 1e-6)
    }
    for j in 0..<2 {
      #expect(watched.gradients.base[9 + j] == (0..<filled).reduce(Float(0)) { $0 + Float(2 * $1 + j) - 3 })
    }
    #expect((0..<6).allSatisfy { watched.gradients.base[$0].isFinite })
  }

  @Test("Operations read the value of a statistic and pass no gradient to it")
  func value() {
    let watched = Watched(), graph = watched.graph
    #expect(!graph.needsGradient(watched.mean) && graph[watched.mean] == watched.parameters.base + 6)
    #expect(graph[watched.second] == watched.parameters.base + 9)
    guard case .parameter(let offset) = graph.origin(of: watched.second) else {
      Issue.record("a statistic is a parameter to who asks where it comes from")
      return
    }
    #expect(offset == 9)
  }

  @Test("Backward also reports the sums of statistics as final")
  func final() {
    let watched = Watched()
    watched.replay(filled: 4)
    let expected = (0..<watched.gradients.count).map { watched.gradients.base[$0] }
    var reported: [Int] = []
    watched.replay(filled: 4) { from in
      reported.append(from)
      for i in from..<expected.count { #expect(watched.gradients.base[i] == expected[i]) }
    }
    #expect(reported.last == 0 && reported == reported.sorted(by: >))
  }

  @Test("Sums that no operation adds to are 0, and a graph without gradients contains no such operations")
  func unused() {
    let graph = Graph(batch: 2), buffer = Buffer(count: 5), gradients = Buffer(count: 5)
    let weight = graph.parameter([1, 2], offset: 0), bias = graph.parameter([1], offset: 2)
    let y = graph.linear(graph.input([2, 2]), weight: weight, bias: bias)
    _ = graph.statistic([2], offset: 0) { 3 }
    graph.finalize(parameters: buffer.base)
    for i in 0..<5 { gradients.base[i] = 7 }
    graph.forward()
    graph.backward(from: y, seed: [1, 1], gradients: gradients.base)
    #expect((0..<5).map { gradients.base[$0] } == [0, 0, 2, 0, 0])

    let evaluation = Graph(batch: 2, recordsGradients: false), x = evaluation.input([2, 2])
    let z = evaluation.activate(x, .tanh)
    evaluation.addColumnSums(z, to: evaluation.statistic([2], offset: 0) { 0 })
    evaluation.keep([z])
    evaluation.dropUnneeded()
    #expect(evaluation.operations.count == 1)
  }
}
