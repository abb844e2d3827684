import Autograd
import Communication
import Data
import Foundation
import Kernels
import Optimizers
import VAE

/// Where a run stands, and what keys the noise of its next step.
package struct StepCursor: Sendable, Equatable {
  /// Updates done.
  package var step = 0
  /// Epochs finished.
  package var epoch = 0
  /// Steps done of the epoch under way.
  package var stepInEpoch = 0
  /// Rollbacks so far.
  package var attempt = 0

  mutating func advance() {
    step += 1
    stepInEpoch += 1
  }

  mutating func beginEpoch() {
    epoch += 1
    stepInEpoch = 0
  }
}

/// Weights of the objective that change while a run goes on. Rank 0 decides on them.
package struct ObjectiveWeights: BitwiseCopyable, Sendable, Equatable {
  /// Weight of the KL.
  package var beta = 0.0
  /// Nats of KL that cost a unit nothing.
  package var freeBits = 0.0
}

/// What one optimiser step is: this rank's microbatches are loaded and replayed, gradients are summed over all ranks, and
/// the parameters are updated. Training, the search for a learning rate and every measurement take their steps here.
///
/// The engine owns the place in the run (`cursor`) and the weights of the coming step (`weights`); who drives it decides
/// on learning rates and weights.
package final class StepEngine {
  package let communicator: Communicator
  package let plan: BatchPlan
  /// Where this rank's time goes.
  package let clock: PhaseClock
  let autoencoder: VariationalAutoencoder
  let optimizer: Optimizer
  private let statistics: StatisticUpdate
  let exchange: GradientExchange
  let training: ELBOGraph
  let seed: UInt64
  private let prefetcher: Prefetcher
  private let shared: NodeMemory?
  private let faults: PlantedFaults
  private let seeds: UnsafeMutablePointer<Float>

  package private(set) var cursor: StepCursor
  /// Of the coming step.
  private(set) var weights = ObjectiveWeights()
  /// Weight of the KL in the last step; nil before the first.
  private(set) var lastBeta: Double?

  /// Collective.
  package init(_ setup: TrainingSetup, faults: PlantedFaults = PlantedFaults()) throws(Failure) {
    let train = setup.configuration.train
    communicator = setup.communicator
    plan = setup.plan
    clock = setup.clock
    cursor = setup.state.cursor
    lastBeta = setup.state.beta
    clock.step = cursor.step
    autoencoder = setup.autoencoder
    optimizer = setup.optimizer
    shared = setup.shared
    seed = UInt64(train.seed)
    self.faults = faults
    exchange = try GradientExchange(
      communicator, tree: ReductionTree(leaves: plan.slots, ranks: communicator.size), count: autoencoder.store.count,
      normed: autoencoder.store.learnedCount, rowWidth: StepRow.width, route: train.exchange, buckets: train.buckets,
      wire: train.wire, clock: clock)
    statistics = StatisticUpdate(autoencoder.store, optimizer, communicator.topology)
    training = autoencoder.elboGraph(batch: plan.microbatch, gradients: true)
    prefetcher = try Prefetcher(
      plan, slots: exchange.tree.range(of: communicator.rank), data: setup.data.train,
      configuration: setup.configuration, into: training, communicator)
    seeds = Buffer.allocate(Float.self, count: plan.microbatch)
  }

  deinit { seeds.deallocate() }

  /// Gives shared memory back; collective.
  package func close() {
    exchange.close()
    shared?.close()
  }

  /// What carries the gradient, in words.
  package var routeName: String { exchange.routeName }

  /// Whether a thread loads the next microbatch.
  var isPrefetching: Bool { prefetcher.isAhead }

  /// Samples and weights of the microbatch loaded last.
  var batch: BatchAssembler { prefetcher.loader }

  // MARK: One step

  enum Outcome {
    case done(StepReport, StepSums, StepDecision)
    case notFinite
  }

  /// One optimiser update; allocates nothing. `decide` runs on rank 0 alone, with the step counted from 0, its means over
  /// all ranks, and whether some rank was asked to stop; every rank follows its answer. Collective.
  func step(
    _ decide: (_ step: Int, _ means: ELBOMeans, _ isSignalled: Bool) -> StepDecision
  ) throws(Failure) -> Outcome {
    let share = 1 / Float(max(1, plan.filled(step: cursor.stepInEpoch)))
    exchange.awaitBuffers()
    for leaf in exchange.leaves {
      let filled = try forward(key(slot: leaf.index))
      StepRow.write(training, batch.weights, filled: filled, into: exchange.row(of: leaf.index))
      backward(into: exchange.buffers[leaf.buffer], share: share) { exchange.advance(leaf, readyFrom: $0) }
      exchange.merge(after: leaf)
    }
    let step = cursor.step
    let exchanged = try exchange.sum { decide(step, StepRow.means($0), $0[StepRow.stop] > 0).words }
    let decision = StepDecision(words: exchanged.answer), sums = exchanged.sums
    let norm = exchanged.squares.squareRoot()
    guard sums[StepRow.bad] == 0, norm.isFinite, statistics.areFinite(exchanged.gradient) else {
      exchange.release()
      return .notFinite
    }
    clock.enter(.update)
    statistics.apply(exchanged.gradient, updates: step, samples: sums[StepRow.weight])
    optimizer.step(
      autoencoder.store.values, gradient: exchanged.gradient, rate: decision.learningRate,
      scale: optimizer.clipFactor(norm: norm), update: step + 1)
    exchange.release()
    cursor.advance()
    clock.step = cursor.step
    let report = StepReport(
      step: cursor.step, epoch: cursor.epoch, beta: weights.beta, learningRate: decision.learningRate,
      train: StepRow.means(sums), loss: sums[StepRow.loss] / max(sums[StepRow.weight], 1), gradientNorm: norm,
      samples: Int(sums[StepRow.weight]))
    (lastBeta, weights.beta) = (weights.beta, decision.nextBeta)
    return .done(report, StepSums(sums), decision)
  }

  private func key(slot: Int) -> BatchKey {
    BatchKey(slot: slot, step: cursor.stepInEpoch, epoch: cursor.epoch, attempt: cursor.attempt)
  }

  /// Loads a microbatch and computes its terms; returns the number of real samples.
  func forward(_ key: BatchKey) throws(Failure) -> Int {
    clock.enter(.data)
    faults.delay?.apply(to: communicator.rank)
    let graph = training.graph
    let filled = try prefetcher.load(key)
    if let injection = faults.injection, injection.applies(step: cursor.step, rank: communicator.rank, key.attempt) {
      graph[training.x][0] = .nan
    }
    graph[training.terms.beta][0] = Float(weights.beta)
    if let freeBits = training.terms.freeBits { graph[freeBits][0] = Float(weights.freeBits) }
    clock.enter(.forward)
    graph.forward(
      .training(
        batch.samples, filled: filled, seed: seed, attempt: key.attempt, epoch: UInt32(truncatingIfNeeded: key.epoch)))
    return filled
  }

  /// Gradient of the mean over the global step's samples. `share`: one over their number.
  func backward(
    into gradient: UnsafeMutablePointer<Float>, share: Float, finished: (_ from: Int) -> Void = { _ in }
  ) {
    clock.enter(.backward)
    for row in 0..<plan.microbatch { seeds[row] = batch.weights[row] * share }
    training.graph.backward(from: training.terms.loss, seed: seeds, gradients: gradient, finished: finished)
  }

  // MARK: Between steps

  var isEpochDone: Bool { cursor.stepInEpoch == plan.stepsPerEpoch }

  func beginEpoch() { cursor.beginEpoch() }

  /// Weights of the coming step, as rank 0 has decided on them.
  func follow(_ weights: ObjectiveWeights) { self.weights = weights }

  /// The run went back to a checkpoint, whose parameters are restored already.
  func goBack(to cursor: StepCursor, lastBeta: Double?) {
    (self.cursor, self.lastBeta) = (cursor, lastBeta)
    clock.step = cursor.step
  }

  /// Where this step's numbers stopped being finite.
  struct NonFinite: Codable {
    var rank = -1
    var microbatch = -1
    var operation = "the sum of the gradients"
    var samples: [Int] = []
  }

  /// Every rank replays its microbatches of the failed step; what the first leaf finds wins. Collective.
  func findNonFinite() throws(Failure) -> NonFinite? {
    let scratch = Buffer(count: autoencoder.store.count)
    var mine: NonFinite?
    for leaf in exchange.leaves where mine == nil { mine = try nonFinite(inSlot: leaf.index, scratch.base) }
    let encoded = mine.flatMap { try? JSONEncoder().encode($0) }.map { [UInt8]($0) } ?? []
    let first = try communicator.gather(encoded).first { !$0.isEmpty }
    return first.flatMap { try? JSONDecoder().decode(NonFinite.self, from: Foundation.Data($0)) }
  }

  private func nonFinite(inSlot slot: Int, _ scratch: UnsafeMutablePointer<Float>) throws(Failure) -> NonFinite? {
    let filled = try forward(key(slot: slot)), store = autoencoder.store
    func found(in operation: String, rows: some Collection<Int>) -> NonFinite {
      NonFinite(
        rank: communicator.rank, microbatch: slot, operation: operation,
        samples: rows.filter { $0 < filled }.map { Int(batch.samples[$0]) })
    }
    if let bad = training.graph.firstNonFinite(inputs: [training.x], parameterName: store.name(at:)) {
      return found(in: bad.label, rows: bad.rows)
    }
    backward(into: scratch, share: 1 / Float(max(1, plan.filled(step: cursor.stepInEpoch))))
    let bad = store.parameters.first { vd_all_finite(scratch + $0.offset, $0.shape.count) == 0 }
    return bad.map { found(in: "gradient of \($0.name)", rows: 0..<filled) }
  }
}
