import Autograd
import Communication
import Configuration
import Data
import Foundation
import Kernels
import Optimizers
import VAE

/// The training loop, the same on every rank. Whatever changes control flow was reduced over all ranks first.
package final class Trainer {
  let configuration: Configuration
  let communicator: Communicator
  let autoencoder: VariationalAutoencoder
  let plan: BatchPlan
  let feed: Prefetcher
  let exchange: GradientExchange
  let optimizer: Optimizer
  let training: ELBOGraph
  /// Where this rank's time goes.
  package let clock: PhaseClock
  let checkpoints: Checkpoints
  private let data: Dataset
  private let validator: Validator
  private let hasPictures: Bool
  /// On rank 0.
  private let pictures: PictureMaker?
  private var embedded = ContinuousClock.now
  private let observers: [any TrainingObserver]
  private let injection: NaNInjection?
  private let delay: RankDelay?
  private let rankTimes: RankTimes
  private let seeds: UnsafeMutablePointer<Float>
  private let shared: NodeMemory?
  private let warnings: [String]
  private let findings: [Finding]
  private let start: StartReport
  private let bits: BitsPerDimension?
  let seed: UInt64

  var state: TrainingState
  var coordinator: Coordinator
  private var beta = 0.0

  package init(
    _ setup: TrainingSetup, observers: [any TrainingObserver], injection: NaNInjection?, delay: RankDelay? = nil
  ) throws(Failure) {
    configuration = setup.configuration
    communicator = setup.communicator
    clock = setup.clock
    clock.step = setup.state.step
    autoencoder = setup.autoencoder
    plan = setup.plan
    state = setup.state
    coordinator = setup.coordinator
    checkpoints = setup.checkpoints
    seed = UInt64(configuration.train.seed)
    exchange = try GradientExchange(
      communicator, tree: ReductionTree(leaves: plan.slots, ranks: communicator.size), count: autoencoder.store.count,
      rowWidth: StepRow.width, route: configuration.train.exchange, buckets: configuration.train.buckets,
      wire: configuration.train.wire, clock: clock)
    optimizer = setup.optimizer
    shared = setup.shared
    training = autoencoder.elboGraph(batch: plan.microbatch, gradients: true)
    feed = try Prefetcher(
      plan, slots: exchange.tree.range(of: communicator.rank), data: setup.data.train, configuration: configuration,
      into: training, communicator)
    hasPictures = setup.data.train.shape.canBeDrawn && configuration.monitor.picturesEvery > 0
    data = setup.data.valid
    validator = Validator(
      autoencoder, data: data, communicator: communicator, configuration: configuration, clock: clock,
      shows: hasPictures || configuration.log.tensorboard, parameters: optimizer.average)
    if communicator.isRoot, hasPictures, let shown = validator.shown {
      pictures = PictureMaker(
        autoencoder, showing: shown.indices, of: data, configuration, parameters: optimizer.average)
    } else {
      pictures = nil
    }
    self.observers = observers
    self.injection = injection
    self.delay = delay
    rankTimes = try RankTimes(clock, communicator)
    warnings = setup.warnings
    findings = setup.findings
    start = StartReport(
      configuration: configuration, dataName: setup.data.train.name, shape: setup.data.train.shape,
      trainSamples: setup.data.train.count, validSamples: setup.data.valid.count, parameters: autoencoder.store.count,
      ranks: communicator.size, plan: plan, totalSteps: configuration.totalSteps(plan), exchange: exchange.routeName,
      resumedFrom: setup.resumedFrom, resumedEpoch: setup.state.epoch)
    let train = setup.data.train
    bits =
      train.shape.isImage
      ? BitsPerDimension(
        autoencoder.likelihood.nature, dimensions: train.shape.elementCount, scale: train.scaling.scale) : nil
    seeds = Buffer.allocate(Float.self, count: plan.microbatch)
  }

  deinit { seeds.deallocate() }

  /// Gives shared memory back; collective.
  package func close() {
    exchange.close()
    shared?.close()
  }

  /// Samples and weights of the microbatch loaded last.
  var loader: BatchAssembler { feed.loader }

  package var totalSteps: Int { configuration.totalSteps(plan) }

  /// Trains to the end, or to the first reason to stop. Collective.
  package func run() throws(Failure) -> StopReason {
    for warning in warnings { emit(.warning(warning)) }
    emit(.started(start))
    for finding in findings { emit(.finding(FindingReport(epoch: 0, step: state.step, finding: finding))) }
    try announceBeta()
    try begin()
    if coordinator.isExhausted { return try stop(.stoppedEarly) }
    var clock = ContinuousClock.now
    while state.step < totalSteps {
      let outcome = try step()
      guard case .done(let report, let decision) = outcome else {
        try rollBack(failing: state.step)
        clock = .now
        continue
      }
      state.sums.seconds += (ContinuousClock.now - clock) / .seconds(1)
      clock = .now
      emit(.step(report))
      if state.stepInEpoch == plan.stepsPerEpoch || state.step == totalSteps {
        if let reason = try endEpoch(report, stops: decision.action == .stop) { return reason }
        clock = .now
      }
      if decision.action == .checkpoint, state.step < totalSteps { save(best: false, unlessSaved: true) }
      if decision.action == .stop, state.step < totalSteps { return try stop(decision.reason) }
    }
    return try stop(.finished)
  }

  // MARK: One step

  enum Outcome {
    case done(StepReport, StepDecision)
    case notFinite
  }

  /// One optimiser update: this rank's microbatches, the sum over all ranks, the root's decision. No allocation.
  func step() throws(Failure) -> Outcome {
    let share = 1 / Float(max(1, plan.filled(step: state.stepInEpoch)))
    exchange.awaitBuffers()
    for leaf in exchange.leaves {
      let filled = try replayForward(slot: leaf.index)
      StepRow.write(training, loader.weights, filled: filled, into: exchange.row(of: leaf.index))
      replayBackward(into: exchange.buffers[leaf.buffer], share: share) { exchange.advance(leaf, readyFrom: $0) }
      exchange.merge(after: leaf)
    }
    let step = state.step
    let sums = try exchange.sum { row in
      coordinator.direct(step: step, StepRow.means(row), signalled: row[StepRow.stop] > 0).words
    }
    let decision = StepDecision(words: sums.answer)
    let norm = sums.squares.squareRoot()
    guard sums.sums[StepRow.bad] == 0, norm.isFinite else {
      exchange.release()
      return .notFinite
    }
    clock.enter(.update)
    optimizer.step(
      autoencoder.store.values, gradient: sums.gradient, rate: decision.learningRate,
      scale: optimizer.clipFactor(norm: norm))
    exchange.release()
    return .done(account(sums.sums, norm: norm, decision), decision)
  }

  /// Loads a slot's microbatch of the current step and computes its terms; returns the number of real samples.
  func replayForward(slot: Int) throws(Failure) -> Int {
    clock.enter(.data)
    delay?.apply(to: communicator.rank)
    let graph = training.graph
    let filled = try feed.load(
      BatchKey(slot: slot, step: state.stepInEpoch, epoch: state.epoch, attempt: state.attempt))
    if let injection, injection.applies(step: state.step, rank: communicator.rank, attempt: state.attempt) {
      graph[training.x][0] = .nan
    }
    graph[training.terms.beta][0] = Float(beta)
    if let freeBits = training.terms.freeBits { graph[freeBits][0] = Float(coordinator.freeBits) }
    clock.enter(.forward)
    graph.forward(
      .training(
        loader.samples, filled: filled, seed: seed, attempt: state.attempt,
        epoch: UInt32(truncatingIfNeeded: state.epoch)))
    return filled
  }

  /// Gradient of the mean over the global step's samples. `share`: one over their number.
  func replayBackward(
    into gradient: UnsafeMutablePointer<Float>, share: Float, finished: (_ from: Int) -> Void = { _ in }
  ) {
    clock.enter(.backward)
    for row in 0..<plan.microbatch { seeds[row] = loader.weights[row] * share }
    training.graph.backward(from: training.terms.loss, seed: seeds, gradients: gradient, finished: finished)
  }

  private func account(_ sums: UnsafePointer<Double>, norm: Double, _ decision: StepDecision) -> StepReport {
    state.sums.weight += sums[StepRow.weight]
    state.sums.reconstruction += sums[StepRow.reconstruction]
    state.sums.kl += sums[StepRow.kl]
    state.sums.gradientNorm += norm
    state.sums.steps += 1
    coordinator.passed(step: state.step)
    checkpoints.passed(step: state.step)
    state.step += 1
    clock.step = state.step
    state.stepInEpoch += 1
    state.updates = optimizer.updates
    state.beta = beta
    let report = StepReport(
      step: state.step, epoch: state.epoch, beta: beta, learningRate: decision.learningRate,
      train: StepRow.means(sums), loss: sums[StepRow.loss] / max(sums[StepRow.weight], 1), gradientNorm: norm,
      samples: Int(sums[StepRow.weight]))
    beta = decision.nextBeta
    return report
  }

  // MARK: Between steps

  private func endEpoch(_ last: StepReport, stops: Bool) throws(Failure) -> StopReason? {
    let isWhole = state.stepInEpoch == plan.stepsPerEpoch
    let epoch = state.epoch + 1, sums = state.sums
    exchange.awaitRelease()
    clock.enter(.validate)
    let times = try rankTimes.report()
    let isLast = state.step >= totalSteps
    let isShown = hasPictures && (isLast || epoch % configuration.monitor.picturesEvery == 0)
    let isConstrained = configuration.objective.betaSchedule == .capacity
    var valid = try validator.validate(seed: seed, beta: isConstrained ? 0 : last.beta)
    // Its beta is a slope, whose sign changes from step to step.
    if let constraint = coordinator.constraint(valid.means.kl, after: state.step) { valid.loss += constraint }
    guard valid.means.negativeELBO.isFinite else {
      // The last update made parameters that no step has used yet: the same as a step that is not finite.
      try rollBack(failing: state.step - 1, inValidation: true)
      return nil
    }
    try communicator.agree(
      on: [
        ("parameters after epoch \(epoch)", autoencoder.store.digest()),
        ("their average", optimizer.average.map { autoencoder.store.digest(of: $0) } ?? ""),
      ], when: "after an epoch")
    let elements = autoencoder.elements
    let isPlanned = isLast || epoch % configuration.checkpoint.everyEpochs == 0
    var verdict = coordinator.judge(valid, step: state.step, isWhole: isWhole, isKept: isPlanned)
    try communicator.broadcastValue(&verdict)
    let ends = isLast || verdict.isLast
    let collapse = coordinator.collapse(valid, step: state.step, beta: last.beta, elements: elements)
    let report = EpochReport(
      epoch: epoch, step: state.step, beta: last.beta, learningRate: last.learningRate, train: sums.means, valid: valid,
      gradientNorm: sums.gradientNorm / Double(max(sums.steps, 1)),
      samplesPerSecond: sums.seconds > 0 ? sums.weight / sums.seconds : 0, seconds: sums.seconds,
      ranks: communicator.size, skipped: coordinator.state.skipped, rollbacks: coordinator.state.rollbacks,
      isBest: verdict.isBest,
      slowestRank: times.slowestRank, slowestHost: times.slowestHost, waitShare: times.waitShare,
      rankSeconds: times.seconds, bits: bits)
    if isWhole {
      state.epoch += 1
      state.stepInEpoch = 0
      state.sums = EpochSums()
    }
    let findings = coordinator.findings(report, elements: elements)
    let treatment = collapse == nil ? nil : try treat(epoch: epoch)
    emit(.epoch(report))
    for finding in findings { emit(.finding(FindingReport(epoch: epoch, step: state.step, finding: finding))) }
    if let collapse { emit(.collapse(epoch: epoch, step: state.step, message: collapse)) }
    if let treatment, let report = treatment.report { emit(.treatment(report)) }
    let complaint = coordinator.overfitting(sums.means, epoch: epoch, step: state.step, isLast: isLast)
    if let complaint { emit(.warning(complaint)) }
    if let pictures, let shown = validator.shown, isShown {
      clock.enter(.pictures)
      emit(.pictures(pictures.make(epoch: epoch, step: state.step, klPerUnit: valid.klPerUnit, of: shown)))
    }
    if ContinuousClock.now - embedded > Trainer.embeddingInterval { embed() }
    let fails = treatment?.response == .stop
    if isPlanned || ends || verdict.isBest { save(best: verdict.isBest, isLast: ends || stops || fails) }
    if fails { return try stop(.collapsed) }
    return verdict.isLast ? try stop(.stoppedEarly) : nil
  }

  /// The embedding shows one moment: the end, and now and then the present.
  private static let embeddingInterval = Swift.Duration.seconds(300)

  /// On rank 0: as the last validation had it; without one there is none.
  private func embed() {
    guard communicator.isRoot, configuration.log.tensorboard, let shown = validator.shown, !shown.mu.isEmpty
    else { return }
    clock.enter(.pictures)
    emit(.embedding(EmbeddingReport(shown, of: data)))
    embedded = .now
  }

  /// Rank 0 decides what is done about a collapse, and all do it. Collective.
  private func treat(epoch: Int) throws(Failure) -> (response: CollapseResponse, report: TreatmentReport?) {
    var response = coordinator.response
    try communicator.broadcastValue(&response)
    guard let words = coordinator.treat(response, step: state.step) else { return (response, nil) }
    try announceBeta()
    let report = TreatmentReport(
      epoch: epoch, step: state.step, response: response, number: coordinator.state.treatments.treatments,
      most: configuration.monitor.maxTreatments, message: words)
    return (response, report)
  }

  private func stop(_ reason: StopReason) throws(Failure) -> StopReason {
    save(best: false, isLast: true, unlessSaved: true)
    if communicator.isRoot { checkpoints.markBest(coordinator.state.epochs.bestStep, or: state.step) }
    try checkpoints.requireSaved(step: state.step, communicator)
    embed()
    emit(.stopped(reason, step: state.step, epoch: state.epoch))
    try communicator.barrier()
    return reason
  }

  /// Something to go back to from the first step on; a place that takes no checkpoint is found out now, not at the end.
  private func begin() throws(Failure) {
    clock.enter(.checkpoint)
    try communicator.together { () throws(Failure) in
      guard communicator.isRoot else { return }
      if checkpoints.isSaved(step: state.step) { try checkpoints.requireWritable() } else { try write(best: false) }
    }
  }

  /// All ranks are at a checkpoint, whether or not rank 0, which alone knows what is saved, writes one. A failure is a
  /// warning, and the next checkpoint is another try; that of the last one is the run's own, told when it stops.
  private func save(best: Bool, isLast: Bool = false, unlessSaved: Bool = false) {
    clock.enter(.checkpoint)
    guard communicator.isRoot, !(unlessSaved && checkpoints.isSaved(step: state.step)) else { return }
    do { try write(best: best) } catch {
      if isLast { return }
      let hint = error.hint.map { " (\($0))" } ?? ""
      emit(
        .warning(
          "no checkpoint at step \(state.step): \(error.message)\(hint); "
            + "training goes on, and the next one is another try"
        ))
    }
  }

  /// On rank 0.
  private func write(best: Bool) throws(Failure) {
    exchange.awaitRelease()
    state.coordinator = coordinator.state
    let began = ContinuousClock.now
    let notice = try checkpoints.save(state, autoencoder.store, optimizer, best: best)
    if let notice { emit(.warning(notice)) }
    emit(.checkpoint(step: state.step, epoch: state.epoch, seconds: (ContinuousClock.now - began) / .seconds(1)))
  }

  /// Beta of the coming step, as rank 0 has it.
  func announceBeta() throws(Failure) {
    var value = coordinator.beta(at: state.step)
    try communicator.broadcastValue(&value)
    beta = value
  }

  func emit(_ event: TrainingEvent) {
    for observer in observers {
      do { try observer.observe(event) } catch {
        // What cannot be written is told by those who can speak; training goes on.
        for other in observers where other !== observer { try? other.observe(.warning("\(error)")) }
      }
    }
  }
}

/// What a microbatch adds to the sums of a step.
enum StepRow {
  static let weight = 0, reconstruction = 1, kl = 2, loss = 3, bad = 4, stop = 5, width = 6

  /// Of the summed rows.
  static func means(_ sums: UnsafePointer<Double>) -> ELBOMeans {
    let n = max(sums[weight], 1)
    return ELBOMeans(reconstruction: sums[reconstruction] / n, kl: sums[kl] / n)
  }

  static func write(
    _ graph: ELBOGraph, _ weights: UnsafePointer<Float>, filled: Int, into row: UnsafeMutablePointer<Double>
  ) {
    let terms = graph.terms, memory = graph.graph, rows = memory.batch
    row[weight] = Double(filled)
    row[reconstruction] = vd_weighted_sum(memory[terms.reconstruction], weights, rows)
    row[kl] = vd_weighted_sum(memory[terms.kl], weights, rows)
    row[loss] = vd_weighted_sum(memory[terms.loss], weights, rows)
    row[bad] = row[loss].isFinite && row[reconstruction].isFinite && row[kl].isFinite ? 0 : 1
    row[stop] = StopSignals.pending != 0 ? 1 : 0
  }
}

/// For tests: plants a NaN in the data of one rank at one step, once.
package struct NaNInjection: Sendable {
  /// Counted from 1, as steps are shown.
  let step: Int
  let rank: Int

  /// From "STEP:RANK".
  package init?(_ text: String) {
    let parts = text.split(separator: ":").compactMap { Int($0) }
    guard parts.count == 2, parts[0] > 0, parts[1] >= 0 else { return nil }
    (step, rank) = (parts[0], parts[1])
  }

  func applies(step: Int, rank: Int, attempt: Int) -> Bool {
    attempt == 0 && step + 1 == self.step && rank == self.rank
  }
}

extension Configuration {
  /// Steps of the whole training.
  package func totalSteps(_ plan: BatchPlan) -> Int { isTrial ? 1 : plannedSteps(plan) }

  /// What schedules are laid out for: a trial has those of the training that it is for.
  package func plannedSteps(_ plan: BatchPlan) -> Int {
    let (all, overflow) = train.maxEpochs.multipliedReportingOverflow(by: plan.stepsPerEpoch)
    let epochs = overflow ? Int.max : all
    return train.maxSteps > 0 ? min(train.maxSteps, epochs) : epochs
  }
}
