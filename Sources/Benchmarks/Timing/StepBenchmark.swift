import Training
import Autograd
import Communication
import Kernels

/// Times whole optimiser steps and, in alternation, their matrix products alone. All times are in milliseconds.
package struct StepBenchmark: Sendable {
  package var milliseconds: Double
  package var samplesPerSecond: Double
  package var productsMilliseconds: Double
  /// Whether a background thread loaded microbatches ahead at the end of the benchmark.
  package var isPrefetching: Bool
  package var ranks: Int
  package var blasCore: String
  /// Time of this rank's step by phase.
  package var phases: [(phase: Phase, milliseconds: Double)]
  /// Time of this rank's step by activity. The parts add up to the whole step.
  package var parts: [(name: String, milliseconds: Double)] = []
  package var exchangeMilliseconds: Double { milliseconds(in: .reduce) }
  package var waitMilliseconds: Double { milliseconds(in: .wait) }
  package var dataMilliseconds: Double { milliseconds(in: .data) }

  private func milliseconds(in phase: Phase) -> Double { phases.first { $0.phase == phase }?.milliseconds ?? 0 }

  /// Runs the benchmark after a warm-up. Returns medians over `rounds` of the mean time of a step. Collective.
  package static func run(_ steady: SteadySteps, rounds: Int = 9) throws(Failure) -> StepBenchmark {
    let engine = steady.engine, communicator = engine.communicator
    func seconds(_ count: Int, _ body: () throws(Failure) -> Void) throws(Failure) -> Double {
      try communicator.barrier()
      let began = ContinuousClock.now
      for _ in 0..<count { try body() }
      return (ContinuousClock.now - began) / .seconds(1) / Double(count)
    }
    let scratch = Buffer(count: engine.autoencoder.store.count)
    let leaves = engine.exchange.leaves.count
    func products() throws(Failure) {
      engine.clock.enter(.start)
      for _ in 0..<leaves { engine.training.graph.replayProducts(gradients: scratch.base) }
    }
    // All ranks must take the same number of steps.
    func steps(in time: Double, each: Double, atLeast: Double) throws(Failure) -> Int {
      Int(try communicator.maximum([Int64(min(2_000, max(atLeast, time / max(each, 1e-6))))])[0])
    }
    let cold = try seconds(3) { () throws(Failure) in try steady.next() }
    let warm = try seconds(try steps(in: 0.3, each: cold, atLeast: 3)) { () throws(Failure) in
      try steady.next()
    }
    // Each round takes about a sixth of a second.
    let count = try steps(in: 0.15, each: warm, atLeast: 2)
    var wholes = [Double](), floors = [Double]()
    let clock = engine.clock
    let parts: [Phase] = [.data, .forward, .backward, .merge, .wait, .reduce, .update]
    var byPart = [[Double]](repeating: [], count: parts.count)
    let activity = Activity("timing steps", of: rounds)
    defer { activity.end() }
    for _ in 0..<rounds {
      let before = parts.map(clock.seconds)
      wholes.append(try seconds(count) { () throws(Failure) in try steady.next() })
      clock.enter(.start)
      for (i, part) in parts.enumerated() {
        byPart[i].append((clock.seconds(in: part) - before[i]) / Double(count))
      }
      floors.append(try seconds(count) { () throws(Failure) in try products() })
      Activity.advance()
    }
    let graph = engine.training.graph
    let all = OperationTimes(graph), floor = OperationTimes(graph)
    graph.times = all
    for _ in 0..<count { try steady.next() }
    graph.times = floor
    for _ in 0..<count { try products() }
    graph.times = nil
    func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] * 1_000 }
    var result = StepBenchmark(
      milliseconds: median(wholes), samplesPerSecond: Double(engine.plan.batchSize) / median(wholes) * 1_000,
      productsMilliseconds: median(floors), isPrefetching: engine.isPrefetching, ranks: communicator.size,
      blasCore: Products.description, phases: zip(parts, byPart).map { ($0, median($1)) })
    result.parts = result.split(graph, all, floor, steps: count)
    return result
  }

  /// Splits the time of a step into activities. The time of operations with matrix products is divided into the
  /// products alone and the remainder. Time that belongs to no operation and no phase is "rest".
  private func split(
    _ graph: Graph, _ all: OperationTimes, _ floor: OperationTimes, steps: Int
  ) -> [(name: String, milliseconds: Double)] {
    var products = 0.0, noise = 0.0, passes = 0.0
    for (i, operation) in graph.operations.enumerated() {
      let whole = all[i] / Double(steps) * 1_000, alone = min(whole, floor[i] / Double(steps) * 1_000)
      if operation is any NoiseOperation {
        noise += whole
      } else {
        products += alone
        passes += whole - alone
      }
    }
    let update = milliseconds(in: .update), data = milliseconds(in: .data)
    let exchange = milliseconds(in: .merge) + milliseconds(in: .reduce) + milliseconds(in: .wait)
    let known = products + passes + noise + update + data + exchange
    return [
      ("products", products), ("passes", passes), ("noise", noise), ("optimizer", update), ("exchange", exchange),
      ("data", data), ("rest", max(0, milliseconds - known)),
    ]
  }
}
