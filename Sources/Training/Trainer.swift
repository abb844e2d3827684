import Communication
import RunConfiguration
import Data
import Kernels
import Optimizers
import VAE

/// The training loop, which is the same on every rank: steps, the work at the end of an epoch, and checkpoints.
///
/// Rank 0 makes every decision that changes the control flow, from values that were reduced over all ranks.
package final class Trainer {
  let configuration: Configuration
  let communicator: Communicator
  let engine: StepEngine
  let checkpoints: Checkpoints
  /// Set on rank 0 only.
  var coordinator: Coordinator?
  /// Sums over the current epoch.
  var sums: EpochSums
  private let review: EpochReview
  private let observers: [any TrainingObserver]
  private let setup: TrainingSetup

  /// Prepares the training of `setup`. Collective.
  package init(
    _ setup: TrainingSetup, observers: [any TrainingObserver], faults: PlantedFaults = PlantedFaults()
  ) throws(Failure) {
    self.setup = setup
    self.observers = observers
    (configuration, communicator, checkpoints) = (setup.configuration, setup.communicator, setup.checkpoints)
    sums = setup.state.sums
    coordinator = setup.communicator.isRoot ? setup.coordinator : nil
    engine = try StepEngine(setup, faults: faults)
    review = try EpochReview(setup)
  }

  /// Releases shared memory. Collective.
  package func close() { engine.close() }

  private var clock: PhaseClock { engine.clock }

  /// Trains until the run is finished or has a reason to stop. Collective.
  package func run() throws(Failure) -> StopReason {
    tellStart()
    let isExhausted = try open()
    try begin()
    if isExhausted { return try stop(.stoppedEarly) }
    let totalSteps = configuration.totalSteps(engine.plan)
    var began = ContinuousClock.now
    while engine.cursor.step < totalSteps {
      let step = engine.cursor.step
      guard case .done(let report, let stepSums, let decision) = try takeStep() else {
        try rollBack(failing: step)
        began = .now
        continue
      }
      let now = ContinuousClock.now
      sums.add(stepSums, gradientNorm: report.gradientNorm, seconds: (now - began) / .seconds(1))
      began = now
      emit(.step(report))
      let isLast = report.step == totalSteps
      if engine.isEpochDone || isLast {
        if let reason = try endEpoch(report, isLast: isLast, stops: decision.action == .stop) { return reason }
        began = .now
      }
      if decision.action == .checkpoint, engine.cursor.step < totalSteps { save(best: false, unlessSaved: true) }
      if decision.action == .stop, engine.cursor.step < totalSteps { return try stop(decision.reason) }
    }
    return try stop(.finished)
  }

  private func tellStart() {
    for warning in setup.warnings { emit(.warning(warning)) }
    let train = setup.data.train, plan = engine.plan
    emit(
      .started(
        StartReport(
          configuration: configuration, dataName: train.name, shape: train.shape, trainSamples: train.count,
          validSamples: setup.data.valid.count, parameters: setup.autoencoder.store.count, ranks: communicator.size,
          plan: plan, totalSteps: configuration.totalSteps(plan), exchange: engine.routeName,
          resumedFrom: setup.resumedFrom, resumedEpoch: setup.state.epoch)))
    tell(setup.findings, epoch: 0)
  }

  private func tell(_ findings: [Finding], epoch: Int) {
    for finding in findings {
      emit(.finding(FindingReport(epoch: epoch, step: engine.cursor.step, finding: finding)))
    }
  }

  private func takeStep() throws(Failure) -> StepEngine.Outcome {
    let outcome = try engine.step { step, means, isSignalled in
      coordinator?.direct(step: step, means, signalled: isSignalled) ?? StepDecision(learningRate: 0, nextBeta: 0)
    }
    if case .done(let report, _, _) = outcome {
      coordinator?.passed(step: report.step - 1)
      checkpoints.passed(step: report.step - 1)
    }
    return outcome
  }

  // MARK: The end of an epoch

  private func endEpoch(_ last: StepReport, isLast: Bool, stops: Bool) throws(Failure) -> StopReason? {
    engine.exchange.awaitRelease()
    let place = place(last, isLast: isLast)
    var report = try review.report(place, last: last, sums)
    guard report.valid.means.negativeELBO.isFinite else {
      // The last update produced parameters that no step has used yet. This is handled like a non-finite step.
      try rollBack(failing: place.step - 1, inValidation: true)
      return nil
    }
    try agreeOnParameters(after: place.epoch)
    let (decision, news) = try decide(on: &report, at: place)
    if place.isWhole {
      engine.beginEpoch()
      sums = EpochSums()
    }
    if let news { tell(report, news, place) }
    let fails = decision.response == .stop
    if place.isKept || decision.isLast || decision.isBest {
      save(best: decision.isBest, isLast: isLast || decision.isLast || stops || fails)
    }
    if fails { return try stop(.collapsed) }
    return decision.isLast ? try stop(.stoppedEarly) : nil
  }

  private func place(_ last: StepReport, isLast: Bool) -> EpochPlace {
    let epoch = engine.cursor.epoch + 1
    return EpochPlace(
      epoch: epoch, step: last.step, isWhole: engine.isEpochDone, isLast: isLast,
      isKept: isLast || epoch % configuration.checkpoint.everyEpochs == 0)
  }

  private func agreeOnParameters(after epoch: Int) throws(Failure) {
    let store = setup.autoencoder.store
    try communicator.agree(
      on: [
        ("parameters after epoch \(epoch)", store.digest()),
        ("their average", setup.optimizer.average.map { store.digest(of: $0) } ?? ""),
      ], when: "after an epoch")
  }

  /// Makes rank 0's decisions about the epoch and applies them on every rank. The messages about the epoch stay on rank
  /// 0. Collective.
  private func decide(
    on report: inout EpochReport, at place: EpochPlace
  ) throws(Failure) -> (EpochDecision, Coordinator.EpochNews?) {
    if let constraint = coordinator?.constraint(report.valid.means.kl, after: place.step) {
      report.valid.loss += constraint
    }
    let judged = coordinator?.close(&report, at: place)
    return (try follow(judged?.0), judged?.1)
  }

  /// Broadcasts rank 0's decision to every rank, applies it, and returns it. Collective.
  private func follow(_ decided: EpochDecision?) throws(Failure) -> EpochDecision {
    var decision = decided ?? EpochDecision()
    try communicator.broadcastValue(&decision)
    engine.follow(decision.weights)
    return decision
  }

  /// Reports an epoch to the observers, on rank 0.
  private func tell(_ report: EpochReport, _ news: Coordinator.EpochNews, _ place: EpochPlace) {
    emit(.epoch(report))
    tell(news.findings, epoch: place.epoch)
    if let collapse = news.collapse { emit(.collapse(epoch: place.epoch, step: place.step, message: collapse)) }
    if let treatment = news.treatment { emit(.treatment(treatment)) }
    if let complaint = news.complaint { emit(.warning(complaint)) }
    if let pictures = review.pictures(place, report) { emit(.pictures(pictures)) }
    if let embedding = review.embedding() { emit(.embedding(embedding)) }
  }

  private func stop(_ reason: StopReason) throws(Failure) -> StopReason {
    let cursor = engine.cursor
    save(best: false, isLast: true, unlessSaved: true)
    if let coordinator { checkpoints.markBest(coordinator.state.epochs.bestStep, or: cursor.step) }
    try checkpoints.requireSaved(step: cursor.step, communicator)
    if let embedding = review.embedding(isLast: true) { emit(.embedding(embedding)) }
    emit(.stopped(reason, step: cursor.step, epoch: cursor.epoch))
    try communicator.barrier()
    return reason
  }

  // MARK: Checkpoints

  /// Applies rank 0's weights for the next step. Returns whether the run has already stopped early. Collective.
  @discardableResult
  func open() throws(Failure) -> Bool { try follow(coordinator?.opening(at: engine.cursor.step)).isLast }

  /// Ensures that there is a checkpoint to return to from the first step on. If checkpoints cannot be written, the run
  /// fails here and not at the end of the training.
  private func begin() throws(Failure) {
    clock.enter(.checkpoint)
    try communicator.together { () throws(Failure) in
      guard let coordinator else { return }
      if checkpoints.isSaved(step: engine.cursor.step) {
        try checkpoints.requireWritable()
      } else {
        try write(coordinator, best: false)
      }
    }
  }

  /// Saves a checkpoint. All ranks call this method, but only rank 0 writes, because only it knows what is saved.
  ///
  /// A failure is reported as a warning, because the next checkpoint is another attempt. After the last checkpoint, the
  /// failure is reported when the run stops.
  private func save(best: Bool, isLast: Bool = false, unlessSaved: Bool = false) {
    clock.enter(.checkpoint)
    let step = engine.cursor.step
    guard let coordinator, !(unlessSaved && checkpoints.isSaved(step: step)) else { return }
    do { try write(coordinator, best: best) } catch {
      if isLast { return }
      let hint = error.hint.map { " (\($0))" } ?? ""
      emit(
        .warning(
          "no checkpoint was written at step \(step): \(error.message)\(hint); training continues, and the next checkpoint is tried"
        ))
    }
  }

  /// Writes a checkpoint, on rank 0.
  private func write(_ coordinator: Coordinator, best: Bool) throws(Failure) {
    engine.exchange.awaitRelease()
    var state = setup.state
    (state.cursor, state.sums, state.coordinator) = (engine.cursor, sums, coordinator.state)
    state.beta = engine.lastBeta
    let began = ContinuousClock.now
    let notice = try checkpoints.save(state, setup.autoencoder.store, setup.optimizer, best: best)
    if let notice { emit(.warning(notice)) }
    emit(.checkpoint(step: state.step, epoch: state.epoch, seconds: (ContinuousClock.now - began) / .seconds(1)))
  }

  func emit(_ event: TrainingEvent) {
    for observer in observers {
      do { try observer.observe(event) } catch {
        // The remaining observers report what this one could not write. Training continues.
        for other in observers where other !== observer { try? other.observe(.warning("\(error)")) }
      }
    }
  }
}

extension Configuration {
  /// Number of steps of the whole training.
  package func totalSteps(_ plan: BatchPlan) -> Int { isTrial ? 1 : plannedSteps(plan) }

  /// Number of steps that the schedules are laid out for. A trial run uses the schedules of the full training.
  package func plannedSteps(_ plan: BatchPlan) -> Int {
    let (all, overflow) = train.maxEpochs.multipliedReportingOverflow(by: plan.stepsPerEpoch)
    let epochs = overflow ? Int.max : all
    return train.maxSteps > 0 ? min(train.maxSteps, epochs) : epochs
  }
}
