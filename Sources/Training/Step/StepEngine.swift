import Autograd
import Communication
import Data
import Foundation
import Kernels
import Optimizers
import VAE

/// Position of a run. Together with the seed and the sample numbers, its counters key the random numbers of the next
/// step.
package struct StepCursor: Sendable, Equatable {
  /// Number of updates done.
  package var step = 0
  /// Number of finished epochs.
  package var epoch = 0
  /// Number of steps done in the current epoch.
  package var stepInEpoch = 0
  /// Number of rollbacks so far.
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

/// Weights of the objective that change during a run. Rank 0 decides on them.
package struct ObjectiveWeights: BitwiseCopyable, Sendable, Equatable {
  /// Weight of the KL divergence.
  package var beta = 0.0
  /// Free bits: the KL, in nats per unit, that is not penalized.
  package var freeBits = 0.0
}

/// Runs optimiser steps: loads and replays this rank's microbatches, sums the gradients over all ranks, and updates the
/// parameters.
///
/// Training, the learning-rate search and all measurements take their steps here. The engine owns the position in the
/// run (`cursor`) and the weights of the next step (`weights`). Its caller decides on learning rates and weights.
package final class StepEngine {
  package let communicator: Communicator
  package let plan: BatchPlan
  /// Records how this rank spends its time.
  package let clock: PhaseClock
  package let autoencoder: VariationalAutoencoder
  let optimizer: Optimizer
  private let statistics: StatisticUpdate
  package let exchange: GradientExchange
  package let training: ELBOGraph
  let seed: UInt64
  private let prefetcher: Prefetcher
  private let shared: NodeMemory?
  private let faults: PlantedFaults
  private let seeds: UnsafeMutablePointer<Float>

  package private(set) var cursor: StepCursor
  /// Weights of the next step.
  private(set) var weights = ObjectiveWeights()
  /// Weight of the KL in the last step; nil before the first one.
  private(set) var lastBeta: Double?

  /// Allocates the buffers of a step and sets up the gradient exchange. Collective.
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

  /// Releases shared memory. Collective.
  package func close() {
    exchange.close()
    shared?.close()
  }

  /// Description of the route that the gradient exchange takes.
  package var routeName: String { exchange.routeName }

  /// Whether a background thread loads the next microbatch.
  package var isPrefetching: Bool { prefetcher.isAhead }

  /// Samples and weights of the microbatch that was loaded last.
  var batch: BatchAssembler { prefetcher.loader }

  // MARK: One step

  enum Outcome {
    case done(StepReport, StepSums, StepDecision)
    case notFinite
  }

  /// Performs one optimiser update, without allocating memory. Collective.
  ///
  /// - Parameter decide: Runs on rank 0 only; every rank follows its result. It receives the step counted from 0, the
  ///   means over the samples of all ranks, and whether any rank received a signal to stop.
  /// - Returns: The report of the step, or `notFinite` if a value was not finite. In that case nothing was updated.
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

  /// Loads a microbatch and computes its loss terms. Returns the number of samples without padding.
  func forward(_ key: BatchKey) throws(Failure) -> Int {
    clock.enter(.data)
    faults.delay?.apply(to: communicator.rank)
    let graph = training.graph
    let filled = try prefetcher.load(key)
    if let injection = faults.injection, injection.applies(step: cursor.step, rank: communicator.rank, key.attempt) {
      graph[training.x][0] = .nan
    }
    graph[training.terms.bound.beta][0] = Float(weights.beta)
    if let freeBits = training.terms.bound.freeBits { graph[freeBits][0] = Float(weights.freeBits) }
    clock.enter(.forward)
    graph.forward(
      .training(
        batch.samples, filled: filled, seed: seed, attempt: key.attempt, epoch: UInt32(truncatingIfNeeded: key.epoch)))
    return filled
  }

  /// Computes the gradient of the mean loss over the samples of the global step.
  ///
  /// - Parameters:
  ///   - gradient: Receives the contribution of this microbatch.
  ///   - share: One divided by the number of samples in the global step.
  ///   - finished: Called when all elements of the gradient from an offset on are complete.
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

  /// Sets the weights of the next step that rank 0 has decided on.
  func follow(_ weights: ObjectiveWeights) { self.weights = weights }

  /// Sets the position to that of a checkpoint after its parameters have been restored.
  func goBack(to cursor: StepCursor, lastBeta: Double?) {
    (self.cursor, self.lastBeta) = (cursor, lastBeta)
    clock.step = cursor.step
  }

  /// The place at which the values of a step became non-finite.
  struct NonFinite: Codable {
    var rank = -1
    var microbatch = -1
    var operation = "the sum of the gradients"
    var samples: [Int] = []
  }

  /// Replays the failed step on every rank and returns the finding of the lowest-numbered rank that has one.
  /// Collective.
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
