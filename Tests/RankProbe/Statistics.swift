import Autograd
import CAllocationCounter
import Communication
import RunConfiguration
import Foundation
import Kernels
import Layers
import Optimizers
import Training

/// A training of a hidden layer with statistics, such as the mean activation and the number of samples.
private final class WatchedTraining {
  static let slots = 6, rows = 4, width = 5, hidden = 3, wide = 5_000, decay: Float = 0.75
  let communicator: Communicator
  let store = ParameterStore()
  let optimizer: Optimizer
  let checkpoints: Checkpoints
  private let memory: NodeMemory?
  private let exchange: GradientExchange
  private let statistics: StatisticUpdate
  private let training: Recorded
  /// The same layers without gradients, from which the rank computes expected statistics.
  private let check: Recorded
  private let gradients: Buffer
  private let samples: UnsafeMutablePointer<UInt64>
  /// The moving mean in closed form: sum over steps of (1 - decay) decay^(now - step) mean(step).
  private var expected = [Double](repeating: 0, count: hidden)

  private struct Recorded {
    let graph: Graph
    let x, h, loss: Tensor

    init(_ store: ParameterStore, gradients: Bool) {
      graph = Graph(batch: rows, recordsGradients: gradients)
      let scope = ParameterScope(graph: graph, store: store)
      x = graph.input([rows, width])
      // Statistics are declared before some of the learned parameters.
      let mean = scope.statistic("mean", [hidden], .zeros, .movingMean(decay: decay))
      let count = scope.statistic("count", [1], .zeros, .elementwise { value, sum, _ in value + sum })
      let shares = scope.statistic(
        "shares", [hidden], .zeros,
        .whole { values, sums, step in
          for i in values.indices { values[i] = sums[i] / step.samples - (i > 0 ? values[i - 1] : Float(step.updates)) }
        })
      h = scope["hidden"].linear(x, to: hidden, activation: .tanh)
      graph.addColumnSums(h, to: mean)
      graph.addColumnSums(graph.columns(x, [0]), to: count)
      graph.addColumnSums(h, to: shares)
      // A statistic with more elements than ranks update in one chunk.
      let many = scope["wide"].linear(h, to: wide, activation: .tanh)
      graph.addColumnSums(many, to: scope.statistic("traces", [wide], .zeros, .movingSum(decay: decay)))
      // The moving mean is read like any value, and the loss is the distance from it.
      let centred = scope["output"].linear(h, to: 1)
      let away = graph.linear(
        h, weight: graph.view(mean, [1, hidden]), bias: scope.parameter("shift", [1], .zeros))
      loss = graph.rowSum(graph.concatenate([graph.activate(centred, .softplus), graph.activate(away, .softplus)]))
    }
  }

  init(_ communicator: Communicator, _ configuration: Configuration, directory: String) throws(Failure) {
    self.communicator = communicator
    _ = Recorded(store, gradients: false)
    store.allocate(seed: 3)
    (memory, optimizer) = try TrainingSetup.placeParameters(store, configuration, communicator)
    exchange = try GradientExchange(
      communicator, tree: ReductionTree(leaves: Self.slots, ranks: communicator.size), count: store.count,
      normed: store.learnedCount, rowWidth: 1, route: .auto, buckets: 2)
    statistics = StatisticUpdate(store, optimizer, communicator.topology)
    training = Recorded(store, gradients: true)
    check = Recorded(store, gradients: false)
    training.graph.finalize(parameters: store.values)
    check.graph.finalize(parameters: store.values)
    checkpoints = Checkpoints(
      directory: communicator.isRoot ? directory : nil, keep: 4, metadata: [:])
    gradients = Buffer(count: store.count)
    samples = Buffer.allocate(UInt64.self, count: Self.rows)
  }

  deinit { samples.deallocate() }

  private func filled(_ slot: Int, _ step: Int) -> Int { (slot + step) % 3 == 0 ? 2 : Self.rows }

  private func replay(_ recorded: Recorded, slot: Int, step: Int) {
    let x = recorded.graph[recorded.x]
    for i in 0..<recorded.x.count { x[i] = i % Self.width == 0 ? 1 : noise(step, slot, i) / 32_768 }
    recorded.graph.forward(.training(samples, filled: filled(slot, step), seed: 0, attempt: 0, epoch: 0))
  }

  func step(_ step: Int) throws(Failure) {
    exchange.awaitBuffers()
    var total = 0.0, means = [Double](repeating: 0, count: Self.hidden)
    for slot in 0..<Self.slots {
      replay(check, slot: slot, step: step)
      for row in 0..<filled(slot, step) {
        total += 1
        for j in 0..<Self.hidden { means[j] += Double(check.graph[check.h][row * Self.hidden + j]) }
      }
    }
    let decay = Double(Self.decay)
    for j in 0..<Self.hidden { expected[j] += (1 - decay) * (means[j] / total - expected[j]) }
    for leaf in exchange.leaves {
      replay(training, slot: leaf.index, step: step)
      // This precedes backward, which releases the row with the last gradient.
      exchange.row(of: leaf.index)[0] = Double(filled(leaf.index, step))
      let seeds = (0..<Self.rows).map { Float($0 < filled(leaf.index, step) ? 0.05 : 0) }
      training.graph.backward(from: training.loss, seed: seeds, gradients: exchange.buffers[leaf.buffer]) {
        exchange.advance(leaf, readyFrom: $0)
      }
      exchange.merge(after: leaf)
    }
    let sums = try exchange.sum { _ in SIMD8() }
    var squares = 0.0
    for start in stride(from: 0, to: store.learnedCount, by: 4096) {
      squares += vd_sum_of_squares(sums.gradient + start, min(4096, store.learnedCount - start))
    }
    try RankProbe.check(squares == sums.squares, "the norm is that of what is learned")
    try RankProbe.check(statistics.areFinite(sums.gradient), "sums are finite")
    vd_allocations_arm()
    statistics.apply(sums.gradient, updates: step, samples: sums.sums[0])
    try RankProbe.check(vd_allocations_disarm() == 0, "a rule allocates nothing")
    optimizer.step(
      store.values, gradient: sums.gradient, rate: 0.01, scale: optimizer.clipFactor(norm: squares.squareRoot()),
      update: step + 1)
    exchange.release()
    exchange.awaitRelease()
    for j in 0..<Self.hidden {
      let found = Double(value("mean", j))
      try RankProbe.check(abs(found - expected[j]) < 1e-6, "mean \(j) after step \(step): \(found), \(expected[j])")
    }
    let before =
      step == 0
      ? 0
      : (0..<step).reduce(0) { sum, step in
        sum + (0..<Self.slots).reduce(0) { $0 + filled($1, step) }
      }
    try RankProbe.check(Double(value("count", 0)) == Double(before) + total, "count after step \(step)")
    for parameter in store.parameters where !parameter.isLearned {
      guard let average = optimizer.average else { continue }
      let bytes = parameter.shape.count * MemoryLayout<Float>.stride
      try RankProbe.check(
        memcmp(average + parameter.offset, store.values + parameter.offset, bytes) == 0,
        "the average has \(parameter.name) as it is")
    }
    try communicator.barrier()
  }

  private func value(_ name: String, _ at: Int) -> Float { store.values[(store[name]?.offset ?? 0) + at] }

  /// Resumes from the checkpoint of another training, with its closed form.
  func restore(_ step: Int, from other: WatchedTraining) throws(Failure) {
    try other.checkpoints.restore(step: step, store, optimizer, communicator)
    expected = other.expected
  }

  func save(step: Int) throws(Failure) {
    var state = TrainingState()
    state.step = step
    let saved = state
    try communicator.together { () throws(Failure) in _ = try checkpoints.save(saved, store, optimizer, best: false) }
  }

  func close() {
    exchange.close()
    memory?.close()
  }

  var digest: String { store.digest() + (optimizer.average.map { " " + store.digest(of: $0) } ?? "") }
}

extension RankProbe {
  /// statistics DIRECTORY [KEY=VALUE...]: checks that statistics follow their rules and resume; prints a digest.
  static func statistics(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    guard let directory = arguments.first else { throw Failure(.usage, "statistics DIRECTORY") }
    let configuration = try Configuration.resolve(
      preset: "mnist-mlp", file: nil, environment: [:],
      assignments: ["optimizer.ema=0.9", "optimizer.weight_decay=0.1"] + arguments.dropFirst(), flags: [])
    let whole = try WatchedTraining(communicator, configuration, directory: directory)
    for step in 0..<3 { try whole.step(step) }
    try whole.save(step: 3)
    let resumed = try WatchedTraining(communicator, configuration, directory: directory + "/resumed")
    try resumed.restore(3, from: whole)
    for step in 3..<6 { try whole.step(step) }
    for step in 3..<6 { try resumed.step(step) }
    try check(whole.digest == resumed.digest, "a training that was stopped goes on to the same bits")
    try communicator.agree(on: [("digest", whole.digest)])
    if communicator.isRoot { print("statistics", whole.digest) }
    whole.close()
    resumed.close()
  }
}
