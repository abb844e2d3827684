import RunConfiguration
import Foundation
import Kernels
import Settings
import VAE

/// What rank 0 tells every rank after a step.
package struct StepDecision: Sendable, Equatable {
  package enum Action: Int, Sendable { case proceed, checkpoint, stop }
  /// Rate of this update.
  package var learningRate: Double
  /// Weight of the KL in the next step.
  package var nextBeta: Double
  package var action = Action.proceed
  package var reason = StopReason.finished

  package init(learningRate: Double, nextBeta: Double) {
    self.learningRate = learningRate
    self.nextBeta = nextBeta
  }

  init(words: SIMD8<Double>) {
    learningRate = words[0]
    nextBeta = words[1]
    action = Action(rawValue: Int(words[2])) ?? .proceed
    reason = StopReason(rawValue: Int(words[3])) ?? .finished
  }

  var words: SIMD8<Double> {
    [learningRate, nextBeta, Double(action.rawValue), Double(reason.rawValue), 0, 0, 0, 0]
  }
}

/// What rank 0 tells every rank after an epoch, and before the first step: one message for all that it has decided.
package struct EpochDecision: BitwiseCopyable, Sendable, Equatable {
  /// Whether the epoch is the best so far.
  package var isBest = false
  /// Whether there is no use in another epoch: `monitor.patience` is spent.
  package var isLast = false
  /// What is done about a collapse that was found in this epoch.
  package var response: CollapseResponse?
  /// Weights of the coming step.
  package var weights = ObjectiveWeights()
}

/// Where an epoch stands in the run when it is judged.
package struct EpochPlace: Sendable {
  /// Counted from 1.
  package var epoch: Int
  /// Updates done.
  package var step: Int
  /// Whether all of its steps were done: the limit of steps may cut the last epoch short.
  package var isWhole: Bool
  /// Whether training ends with it.
  package var isLast: Bool
  /// Whether a checkpoint is due.
  package var isKept: Bool

  package init(epoch: Int, step: Int, isWhole: Bool, isLast: Bool, isKept: Bool) {
    (self.epoch, self.step, self.isWhole, self.isLast, self.isKept) = (epoch, step, isWhole, isLast, isKept)
  }
}

/// Rank 0's judgement: schedules, collapse, rollback, when to checkpoint. It sees only values that were reduced over
/// all ranks, and reaches the others only through a `StepDecision` after each step and an `EpochDecision` after each
/// epoch. While a run goes on, no other rank has one.
package struct Coordinator: Sendable {
  /// What a checkpoint keeps of it.
  package struct State: Sendable, Equatable, Codable {
    package var learningRateFactor = 1.0
    package var rollbacks = 0
    package var skipped = 0
    /// The step that was not finite, while it has not been passed, and how often it was tried.
    package var failingStep = -1
    package var failures = 0
    package var quietEpochs = 0
    package var deadEpochs = 0
    package var collapseReported = false
    package var treatments = Treatments()
    package var signs = Signs()
    package var epochs = EarlyStopping.State()
    package var control = BetaControl.State()
    package var overfit = OverfitWatch.State()

    mutating func keepFailures(of other: State) {
      learningRateFactor = other.learningRateFactor
      rollbacks = other.rollbacks
      skipped = other.skipped
      failingStep = other.failingStep
      failures = other.failures
    }
  }

  /// Updates before units without variance count as dead.
  package static let settlingSteps = 500

  package var state = State()
  private let configuration: Configuration
  private let beta: BetaSchedule
  private let control: BetaControl?
  private var rate: RateSchedule
  private let epochs: EarlyStopping
  private let stepsPerEpoch: Int
  private let totalSteps: Int
  private let elements: Int
  private let started = ContinuousClock.now

  /// - elements: dimensions of a sample.
  package init(_ configuration: Configuration, stepsPerEpoch: Int, totalSteps: Int, elements: Int) throws(Failure) {
    self.configuration = configuration
    (self.stepsPerEpoch, self.totalSteps, self.elements) = (stepsPerEpoch, totalSteps, elements)
    beta = try BetaSchedule(configuration.objective, stepsPerEpoch: stepsPerEpoch, totalSteps: totalSteps)
    rate = try RateSchedule(configuration, stepsPerEpoch: stepsPerEpoch, totalSteps: totalSteps)
    control = BetaControl(configuration.objective, rise: beta.settled, elements: elements)
    epochs = EarlyStopping(configuration.monitor, warmup: beta.settled)
  }

  /// The learning rate is `first`, and grows by a factor a step.
  mutating func sweepRate(from first: Double, factor: Double) { rate.sweep = (first, factor) }

  /// What of the configuration comes to nothing in so many steps.
  func warnings(totalSteps: Int) -> [String] {
    guard epochs.patience > 0, epochs.warmup >= Double(totalSteps) else { return [] }
    return [
      "monitor.patience counts epochs after beta's warm-up, which lasts as long as the training: it will not stop early"
    ]
  }

  /// Beta of the coming step, counted from 0.
  package func beta(at step: Int) -> Double {
    (control?.value(state.control) ?? beta.value(at: step)) * state.treatments.rise(at: step)
  }

  /// Weights of the step after so many.
  package func weights(after steps: Int) -> ObjectiveWeights {
    ObjectiveWeights(beta: beta(at: steps), freeBits: freeBits)
  }

  /// What every rank has to know before its first step, and after going back to an earlier one.
  package func opening(at step: Int) -> EpochDecision {
    EpochDecision(isLast: isExhausted, weights: weights(after: step))
  }

  /// What capacity minimises in place of beta KL; nil for other schedules.
  package func constraint(_ kl: Double, after steps: Int) -> Double? { control?.constraint(kl, after: steps) }

  /// After the sums of a step (counted from 0) are known: what to do with it. `signalled`: some rank was asked to stop.
  package mutating func direct(step: Int, _ means: ELBOMeans, signalled: Bool) -> StepDecision {
    control?.advance(&state.control, after: step, means)
    var decision = StepDecision(
      learningRate: rate.value(at: step) * state.learningRateFactor, nextBeta: beta(at: step + 1))
    let limit = configuration.train.maxTime.seconds
    if signalled {
      decision.action = .stop
      decision.reason = .signalled
    } else if limit > 0, (ContinuousClock.now - started) / .seconds(1) >= limit {
      decision.action = .stop
      decision.reason = .maxTime
    } else if configuration.checkpoint.everySteps > 0, (step + 1) % configuration.checkpoint.everySteps == 0 {
      decision.action = .checkpoint
    }
    return decision
  }

  /// A step passed with finite values.
  package mutating func passed(step: Int) {
    if state.failingStep >= 0, step >= state.failingStep {
      state.failingStep = -1
      state.failures = 0
    }
  }

  /// Decides on going back after step `step` was not finite; throws when it was tried too often. - until: the step that
  /// must have been done for the failure to have passed.
  package mutating func fail(at step: Int, until passing: Int? = nil, restored: Int, cause: String) throws(Failure) {
    let passing = passing ?? step
    if state.failingStep < 0 || passing > state.failingStep { state.failingStep = passing }
    state.failures += 1
    guard state.failures <= configuration.monitor.maxRollbacks else {
      throw Failure(
        .diverged,
        "diverged: step \(step + 1) was not finite again after \(configuration.monitor.maxRollbacks) rollbacks: \(cause)",
        hint:
          "lower optimizer.learning_rate (now effectively \(decimalText(configuration.optimizer.learningRate * state.learningRateFactor))) "
          + "or optimizer.clip_norm, and look at the samples named; do not requeue this run unchanged")
    }
    state.rollbacks += 1
    state.skipped += step + 1 - restored
    state.learningRateFactor *= 0.5
  }

  /// After an epoch on always the same batches: a message when it learns nothing, said once.
  package mutating func overfitting(_ train: ELBOMeans, epoch: Int, step: Int, isLast: Bool) -> String? {
    guard configuration.train.overfitBatches > 0 else { return nil }
    return OverfitWatch.judge(train, epoch: epoch, step: step, isLast: isLast, &state.overfit)
  }

  /// After validation: whether it is the best so far, and whether there is use in another epoch.
  package mutating func judge(
    _ report: ValidationReport, step: Int, isWhole: Bool, isKept: Bool
  ) -> EarlyStopping.Verdict {
    epochs.judge(report, step: step, isWhole: isWhole, isKept: isKept, &state.epochs)
  }

  /// Whether the run has stopped early: `monitor.patience` is spent.
  package var isExhausted: Bool { epochs.isExhausted(state.epochs) }

  /// After validation: a message when the posterior has collapsed, said once until it recovers.
  package mutating func collapse(_ report: ValidationReport, step: Int, beta: Double, elements: Int) -> String? {
    let monitor = configuration.monitor
    state.quietEpochs = report.means.kl < monitor.collapseKL ? state.quietEpochs + 1 : 0
    state.deadEpochs = report.activeUnits == 0 ? state.deadEpochs + 1 : 0
    // Means spread only after some hundred updates: on a small set, epochs without active units say nothing before.
    let weight = LintFacts(configuration, elements: elements).weight(beta: beta)
    let collapsed =
      state.quietEpochs >= monitor.collapseEpochs
      || (state.deadEpochs >= monitor.collapseEpochs
        && (step >= Coordinator.settlingSteps || weight > MeanReconstruction.heaviest))
    guard collapsed else {
      if state.quietEpochs == 0, state.deadEpochs == 0 { state.collapseReported = false }
      return nil
    }
    guard isFatal || !state.collapseReported else { return nil }
    state.collapseReported = true
    let likely = CollapseCause(configuration, beta: beta, elements: elements)
    let kl = (report.means.kl * 10_000).rounded() / 10_000
    return
      "posterior collapse: KL \(decimalText(kl)) nats, \(report.activeUnits) of \(report.klPerUnit.count) units active: "
      + "the decoder ignores z.\n  likely cause: \(likely.cause)\n  fix: \(likely.fix)"
  }

  /// Whether a collapse ends the run, once treatments, if any, are spent.
  private var isFatal: Bool { configuration.monitor.failOnCollapse || configuration.monitor.onCollapse == .stop }

  /// What to do about a collapse that was told just now.
  package var response: CollapseResponse {
    let monitor = configuration.monitor
    let isTreatable = [.restartAnnealing, .freeBits].contains(monitor.onCollapse)
    if isTreatable, state.treatments.treatments < monitor.maxTreatments { return monitor.onCollapse }
    return isFatal ? .stop : .warn
  }

  /// Treats the collapse, and waits for another before it judges anew. `step`: updates done.
  package mutating func treat(_ response: CollapseResponse, step: Int) -> String? {
    let words: String
    switch response {
    case .warn, .stop: return nil
    case .restartAnnealing:
      // As long as the first rise, but so that as much is left at full weight.
      let rise = max(stepsPerEpoch, min(Int(beta.warmup), (totalSteps - step) / 2))
      words = state.treatments.restartAnnealing(at: step, over: rise)
    case .freeBits: words = state.treatments.raiseFreeBits(from: configuration.objective.freeBits)
    }
    (state.quietEpochs, state.deadEpochs, state.collapseReported) = (0, 0, false)
    // Epochs of the old objective, or within the new rise, say nothing of those to come.
    state.epochs.waitAnew(until: state.treatments.riseEnd)
    return words
  }

  /// Free bits of the coming step.
  package var freeBits: Double { state.treatments.freeBits ?? configuration.objective.freeBits }

  /// After an epoch: what its history shows that has not been said.
  package mutating func findings(_ report: EpochReport, elements: Int) -> [Finding] {
    state.signs.news(
      EpochHistory.Point(report), SignContext(configuration, elements: elements), isCollapseTold: state.collapseReported
    )
  }
}

extension Coordinator {
  /// What is told of an epoch beside its numbers, in this order.
  package struct EpochNews: Sendable {
    package var findings: [Finding] = []
    package var collapse: String?
    package var treatment: TreatmentReport?
    package var complaint: String?
  }

  /// After validation: everything that is decided and told at the end of an epoch. Sets whether the epoch is the best in
  /// its report.
  package mutating func close(_ report: inout EpochReport, at place: EpochPlace) -> (EpochDecision, EpochNews) {
    var decision = EpochDecision(), news = EpochNews()
    let verdict = judge(report.valid, step: place.step, isWhole: place.isWhole, isKept: place.isKept)
    (decision.isBest, decision.isLast) = (verdict.isBest, verdict.isLast)
    report.isBest = verdict.isBest
    (report.skipped, report.rollbacks) = (state.skipped, state.rollbacks)
    news.collapse = collapse(report.valid, step: place.step, beta: report.beta, elements: elements)
    news.findings = findings(report, elements: elements)
    if news.collapse != nil {
      let response = response
      decision.response = response
      news.treatment = treat(response, step: place.step).map { words in
        TreatmentReport(
          epoch: place.epoch, step: place.step, response: response, number: state.treatments.treatments,
          most: configuration.monitor.maxTreatments, message: words)
      }
    }
    news.complaint = overfitting(report.train, epoch: place.epoch, step: place.step, isLast: place.isLast)
    decision.weights = weights(after: place.step)
    return (decision, news)
  }
}
