import Training
import Communication
import Kernels
import Optimizers

/// Measures the parts of a step on the available ranks, and whole steps to compare with the model's prediction. The
/// measurements alternate, so that a disturbance of the machine affects all of them.
package struct StepMeasurement: Sendable {
  package let costs: StepCosts
  package let ranks: Int
  package let nodes: Int
  /// The network between nodes; nil if there is only one node.
  package let network: Network?
  /// The step of these ranks: its number of microbatches, its measured seconds, and the prediction from `costs`.
  package let microbatches: Int
  package let measured: Double
  package let predicted: StepParts
  /// Description of the route that the gradient exchange takes.
  package let exchange: String

  package var error: Double { predicted.total / measured - 1 }

  /// Runs the measurement. All ranks have the same result. Collective.
  ///
  /// - Throws: `Failure` if the ranks exchange gradients by messages, which the model does not cover.
  package init(_ setup: TrainingSetup, rounds: Int = 7) throws(Failure) {
    let communicator = setup.communicator
    let train = setup.configuration.train
    guard train.exchange != .messages || communicator.size == 1 else {
      var failure = Failure(
        .usage, "train.exchange is messages: steps are predicted for ranks that share the memory of their node",
        hint: "leave train.exchange at auto; `bench comm` and `bench step` measure messages")
      failure.isCollective = true
      throw failure
    }
    let link = try CommunicationBenchmark.run(count: setup.autoencoder.store.count, train, communicator)
    network = link.otherNode.map {
      Network(
        name: "measured", latency: $0.latency, overhead: $0.overhead,
        secondsPerByte: link.nodeSecondsPerByte ?? $0.secondsPerByte,
        source: "measured between the current nodes")
    }
    (ranks, nodes, microbatches) = (communicator.size, link.nodes, setup.plan.slots)

    let steady = try SteadySteps(setup), workload = Workload(steady.engine)
    for _ in 0..<3 { try steady.next() }
    let parts = StepPartTimer(setup, workload)
    var turns = [StepPartTimer.Turn](), steps = [Double]()
    let activity = Activity("timing the parts of a step", of: rounds)
    defer { activity.end() }
    for _ in 0..<rounds {
      turns.append(try parts.turn())
      steps.append(
        try parts.watch.median(rounds: 1, of: 0.1) { () throws(Failure) in try steady.next() })
      Activity.advance()
    }
    let jitter = try Jitter.measure(communicator, samples: 500) { () throws(Failure) in try workload.microbatch() }
    exchange = steady.engine.routeName
    steady.close()

    var result = SIMD2(Distribution(steps).median, 0)
    try communicator.broadcastValue(&result)
    measured = result[0]
    var costs = parts.costs(turns, jitter: jitter.sigma, network: network)
    try communicator.broadcastValue(&costs)
    self.costs = costs
    let model = StepModel(costs, network: network ?? .none, ranksPerNode: communicator.nodeSize)
    predicted = model.step(ranks: ranks, microbatches: microbatches)
  }
}

/// Times each part of a step separately. The time of the slowest rank counts.
private final class StepPartTimer {
  struct Turn {
    var microbatch = 0.0, alone = 0.0, add = 0.0, squares = 0.0, update = 0.0
    /// Seconds of an exchange of the gradient, of one value, and of one value with many rows.
    var exchange = 0.0, empty = 0.0, rows = 0.0
  }

  let watch: Stopwatch
  private let setup: TrainingSetup
  private let workload: Workload
  private let count: Int
  /// Parameters, the buffers of the optimiser, and a gradient.
  private let memory: [UnsafeMutablePointer<Float>]
  private var ranks: Int { setup.communicator.size }
  private var manyRows: Int { 32 * ranks }

  init(_ setup: TrainingSetup, _ workload: Workload) {
    (self.setup, self.workload) = (setup, workload)
    watch = Stopwatch(setup.communicator)
    let count = setup.autoencoder.store.count
    self.count = count
    let buffers = setup.optimizer.settings.rule.state.count + 2
    memory = (0..<buffers).map { _ in Buffer.allocate(Float.self, count: count) }
    for i in 0..<count { memory[buffers - 1][i] = Float(i % 7) * 0.1 - 0.3 }
  }

  deinit { for part in memory { part.deallocate() } }

  /// Times each part once. Collective.
  func turn() throws(Failure) -> Turn {
    var turn = Turn()
    let (memory, count, rule) = (memory, count, setup.optimizer.settings.rule)
    func slowest(_ seconds: Double, _ body: () throws(Failure) -> Void) throws(Failure) -> Double {
      try watch.all(watch.median(rounds: 3, of: seconds, body)).max() ?? 0
    }
    turn.microbatch = try slowest(0.03) { () throws(Failure) in try workload.microbatch() }
    turn.alone = try alone()
    turn.add = try slowest(0.005) { () throws(Failure) in vd_add(memory[0], memory[1], count) }
    turn.squares = try slowest(0.005) { () throws(Failure) in _ = vd_sum_of_squares(memory[0], count) }
    memory[0].zero(count)
    let updated = UpdateMemory(
      parameters: memory[0], gradient: memory[memory.count - 1], state: Array(memory[1..<(memory.count - 1)]),
      average: nil, range: 0..<count)
    turn.update = try slowest(0.005) { () throws(Failure) in
      rule.update(updated, UpdateStep(rate: 1e-3, scale: 1, number: 1, average: 0))
    }
    turn.exchange = try exchange(count, leaves: ranks)
    turn.empty = try exchange(1, leaves: ranks)
    turn.rows = try exchange(1, leaves: manyRows)
    return turn
  }

  private func exchange(_ count: Int, leaves: Int) throws(Failure) -> Double {
    try CommunicationBenchmark.exchange(count: count, leaves: leaves, setup.configuration.train, watch).seconds
  }

  /// Seconds per microbatch on rank 0 while the other ranks sleep.
  private func alone() throws(Failure) -> Double {
    let communicator = setup.communicator
    var seconds = 0.0
    if communicator.isRoot {
      let began = ContinuousClock.now
      for _ in 0..<30 { try workload.microbatch() }
      seconds = (ContinuousClock.now - began) / .seconds(1) / 30
    }
    try communicator.sleepingBarrier()
    try communicator.broadcastValue(&seconds)
    return seconds
  }

  func costs(_ turns: [Turn], jitter: Double, network: Network?) -> StepCosts {
    func median(_ part: (Turn) -> Double) -> Double { Distribution(turns.map(part)).median }
    let bytes = 4 * Double(count)
    let add = median(\.add) / bytes, squares = median(\.squares) / bytes
    // Exchanges with two different numbers of rows separate the fixed cost from the cost per row.
    let row = max(0, median { $0.rows - $0.empty }) / Double(manyRows - ranks)
    var window = add
    let topology = setup.communicator.topology
    let between = network.map { StepModel.latency(nodes: Double(topology.nodes.count), $0) } ?? 0
    if topology.isOneNode, ranks > 1 {
      // Adding buffers from the caches of other ranks takes longer. Its cost is derived from the time of the whole
      // exchange.
      let sums = median { $0.exchange - $0.empty } / bytes * Double(ranks) - squares
      window = max(0, sums) / Double(ranks - 1)
    }
    var costs = StepCosts(
      parameters: count, microbatch: median(\.microbatch), microbatchAlone: median(\.alone), jitter: jitter,
      addPerByte: add, windowAddPerByte: window, squaresPerByte: squares,
      rendezvous: max(0, median(\.empty) - Double(ranks) * row - between), row: row,
      update: median(\.update) / Double(count),
      ranksPerNode: setup.communicator.nodeSize)
    let configuration = setup.configuration
    costs.rowWidth = StepRow.width
    costs.wireBytes = configuration.train.wire == .bfloat16 ? 2 : 4
    costs.isUpdateShared =
      configuration.optimizer.sharding == .node
      || (configuration.optimizer.sharding == .auto && configuration.train.exchange != .messages)
    return costs
  }
}
