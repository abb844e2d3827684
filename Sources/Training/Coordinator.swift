import RunConfiguration
import Foundation
import Kernels
import Settings
import VAE

/// The decision about a step that rank 0 sends to every rank.
package struct StepDecision: Sendable, Equatable {
  package enum Action: Int, Sendable { case proceed, checkpoint, stop }
  /// Learning rate of this update.
  package var learningRate: Double
  /// Weight of the KL divergence in the next step.
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

/// Rank 0's decisions after an epoch, and before the first step, as the one message that it sends to every rank.
package struct EpochDecision: BitwiseCopyable, Sendable, Equatable {
  /// Whether this epoch is the best so far.
  package var isBest = false
  /// Whether training ends after this epoch because `monitor.patience` epochs have passed without an improvement.
  package var isLast = false
  /// The response to a posterior collapse that was detected in this epoch; nil if none was.
  package var response: CollapseResponse?
  /// Weights of the objective in the next step.
  package var weights = ObjectiveWeights()
}

/// The position of an epoch in the run at the time it is evaluated.
package struct EpochPlace: Sendable {
  /// Number of the epoch, counted from 1.
  package var epoch: Int
  /// Number of updates done.
  package var step: Int
  /// Whether all steps of the epoch were done. A limit on the number of steps can cut the last epoch short.
  package var isWhole: Bool
  /// Whether training ends with this epoch.
  package var isLast: Bool
  /// Whether a checkpoint is due after this epoch.
  package var isKept: Bool

  package init(epoch: Int, step: Int, isWhole: Bool, isLast: Bool, isKept: Bool) {
    (self.epoch, self.step, self.isWhole, self.isLast, self.isKept) = (epoch, step, isWhole, isLast, isKept)
  }
}

/// The decisions of rank 0: schedules, responses to collapse, rollbacks, and when to write a checkpoint.
///
/// The coordinator sees only values that were reduced over all ranks. It acts on the other ranks only through a
/// `StepDecision` after each step and an `EpochDecision` after each epoch. During training, only rank 0 has one.
package struct Coordinator: Sendable {
  /// The part of the coordinator that is saved in a checkpoint.
  package struct State: Sendable, Equatable, Codable {
    package var learningRateFactor = 1.0
    package var rollbacks = 0
    package var skipped = 0
    /// The step whose values were not finite, or -1 if there is none or it was passed since, and the number of failed
    /// attempts.
    package var failingStep = -1
    package var failures = 0
    package var quietEpochs = 0
    package var deadEpochs = 0
    package var collapseReported = false
    package var treatments = Treatments()
    package var epochWatch = EpochWatch()
    package var epochs = EarlyStopping.State()
    package var control = BetaControl.State()
    package var overfit = OverfitWatch.State()

    enum CodingKeys: String, CodingKey {
      case learningRateFactor, rollbacks, skipped, failingStep, failures, quietEpochs, deadEpochs, collapseReported
      case treatments, epochs, control, overfit
      case epochWatch = "signs"
    }

    mutating func keepFailures(of other: State) {
      learningRateFactor = other.learningRateFactor
      rollbacks = other.rollbacks
      skipped = other.skipped
      failingStep = other.failingStep
      failures = other.failures
    }
  }

  /// Number of updates before epochs without active units count as a collapse.
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

  /// Creates a coordinator.
  ///
  /// - Parameter elements: Number of dimensions of a sample.
  /// - Throws: `Failure` when a warm-up is longer than the training.
  package init(_ configuration: Configuration, stepsPerEpoch: Int, totalSteps: Int, elements: Int) throws(Failure) {
    self.configuration = configuration
    (self.stepsPerEpoch, self.totalSteps, self.elements) = (stepsPerEpoch, totalSteps, elements)
    beta = try BetaSchedule(configuration.objective, stepsPerEpoch: stepsPerEpoch, totalSteps: totalSteps)
    rate = try RateSchedule(configuration, stepsPerEpoch: stepsPerEpoch, totalSteps: totalSteps)
    control = BetaControl(configuration.objective, rise: beta.settled, elements: elements)
    epochs = EarlyStopping(configuration.monitor, warmup: beta.settled)
  }

  /// Replaces the learning-rate schedule with a sweep: the rate starts at `first` and is multiplied by `factor` after
  /// every step.
  mutating func sweepRate(from first: Double, factor: Double) { rate.sweep = (first, factor) }

  /// Warnings about settings that have no effect in a run of `totalSteps` steps.
  func warnings(totalSteps: Int) -> [String] {
    guard epochs.patience > 0, epochs.warmup >= Double(totalSteps) else { return [] }
    return [
      "monitor.patience counts epochs after beta's warm-up, which lasts as long as the training: the run will not stop early"
    ]
  }

  /// Beta at `step`, counted from 0.
  package func beta(at step: Int) -> Double {
    (control?.value(state.control) ?? beta.value(at: step)) * state.treatments.rise(at: step)
  }

  /// Weights of the objective in the step that follows `steps` updates.
  package func weights(after steps: Int) -> ObjectiveWeights {
    ObjectiveWeights(beta: beta(at: steps), freeBits: freeBits)
  }

  /// The decision that every rank needs before its first step and after a rollback.
  package func opening(at step: Int) -> EpochDecision {
    EpochDecision(isLast: isExhausted, weights: weights(after: step))
  }

  /// The term that the capacity objective minimises in place of beta KL, in nats; nil for other schedules.
  package func constraint(_ kl: Double, after steps: Int) -> Double? { control?.constraint(kl, after: steps) }

  /// Decides how to continue after a step whose sums over all ranks are known.
  ///
  /// - Parameters:
  ///   - step: The step, counted from 0.
  ///   - means: Means over the samples of all ranks.
  ///   - signalled: Whether any rank received a signal to stop.
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

  /// Records that `step` produced finite values.
  package mutating func passed(step: Int) {
    if state.failingStep >= 0, step >= state.failingStep {
      state.failingStep = -1
      state.failures = 0
    }
  }

  /// Records that `step` produced non-finite values and halves the learning rate for the retry.
  ///
  /// - Parameters:
  ///   - step: The failing step, counted from 0.
  ///   - passing: The step that must succeed before the failure counts as resolved; nil means `step`.
  ///   - restored: The step of the checkpoint that the run returns to.
  ///   - cause: Description of the failure for the error message.
  /// - Throws: `Failure` with the status `diverged` after more than `monitor.max_rollbacks` failures.
  package mutating func fail(at step: Int, until passing: Int? = nil, restored: Int, cause: String) throws(Failure) {
    let passing = passing ?? step
    if state.failingStep < 0 || passing > state.failingStep { state.failingStep = passing }
    state.failures += 1
    guard state.failures <= configuration.monitor.maxRollbacks else {
      let rate = configuration.optimizer.learningRate * state.learningRateFactor
      throw Failure(
        .diverged,
        "diverged: step \(step + 1) was not finite again after \(configuration.monitor.maxRollbacks) rollbacks: \(cause)",
        hint:
          "lower optimizer.learning_rate (now effectively \(rate, .decimal)) or optimizer.clip_norm, and check the "
          + "samples that are named; do not requeue this run unchanged")
    }
    state.rollbacks += 1
    state.skipped += step + 1 - restored
    state.learningRateFactor *= 0.5
  }

  /// Returns a message if the run trains on a few fixed batches (`train.overfit_batches`) and does not learn them. The
  /// message is returned once.
  package mutating func overfitting(_ train: ELBOMeans, epoch: Int, step: Int, isLast: Bool) -> String? {
    guard configuration.train.overfitBatches > 0 else { return nil }
    return OverfitWatch.judge(train, epoch: epoch, step: step, isLast: isLast, &state.overfit)
  }

  /// Decides after validation whether the epoch is the best so far and whether training should continue.
  package mutating func judge(
    _ report: ValidationReport, step: Int, isWhole: Bool, isKept: Bool
  ) -> EarlyStopping.Verdict {
    epochs.judge(report, step: step, isWhole: isWhole, isKept: isKept, &state.epochs)
  }

  /// Whether the run has stopped early: `monitor.patience` epochs have passed without an improvement.
  package var isExhausted: Bool { epochs.isExhausted(state.epochs) }

  /// Returns a message after validation if the posterior has collapsed. Unless a collapse is fatal, the message is
  /// returned once and not again until the posterior has recovered.
  package mutating func collapse(_ report: ValidationReport, step: Int, beta: Double, elements: Int) -> String? {
    let monitor = configuration.monitor
    state.quietEpochs = report.means.kl < monitor.collapseKL ? state.quietEpochs + 1 : 0
    state.deadEpochs = report.activeUnits == 0 ? state.deadEpochs + 1 : 0
    // The posterior means spread out only after some hundred updates. On a small data set, earlier epochs without
    // active units do not show a collapse.
    let weight = ConfigurationFacts(configuration, elements: elements).weight(beta: beta)
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
      "posterior collapse: KL \(kl, .decimal) nats, \(report.activeUnits) of \(report.klPerUnit.count) units active: "
      + "the decoder ignores z.\n  likely cause: \(likely.cause)\n  fix: \(likely.fix)"
  }

  /// Whether a collapse ends the run. Treatments, if any are configured, are tried first.
  private var isFatal: Bool { configuration.monitor.failOnCollapse || configuration.monitor.onCollapse == .stop }

  /// The response to a collapse that was just reported.
  package var response: CollapseResponse {
    let monitor = configuration.monitor
    let isTreatable = [.restartAnnealing, .freeBits].contains(monitor.onCollapse)
    if isTreatable, state.treatments.treatments < monitor.maxTreatments { return monitor.onCollapse }
    return isFatal ? .stop : .warn
  }

  /// Applies a treatment to a collapsed posterior and resets the counters of the collapse detection.
  ///
  /// - Parameter step: Number of updates done.
  /// - Returns: A description of the treatment; nil if the response is not a treatment.
  package mutating func treat(_ response: CollapseResponse, step: Int) -> String? {
    let words: String
    switch response {
    case .warn, .stop: return nil
    case .restartAnnealing:
      // The new rise is as long as the configured warm-up, but at most half of the remaining steps and at least one
      // epoch.
      let rise = max(stepsPerEpoch, min(Int(beta.warmup), (totalSteps - step) / 2))
      words = state.treatments.restartAnnealing(at: step, over: rise)
    case .freeBits: words = state.treatments.raiseFreeBits(from: configuration.objective.freeBits)
    }
    (state.quietEpochs, state.deadEpochs, state.collapseReported) = (0, 0, false)
    // Epochs with the old objective, or within the new rise, cannot be compared with the epochs to come.
    state.epochs.waitAnew(until: state.treatments.riseEnd)
    return words
  }

  /// Free bits in the next step, in nats per unit.
  package var freeBits: Double { state.treatments.freeBits ?? configuration.objective.freeBits }

  /// Findings about the history of epochs that have not been reported yet.
  package mutating func findings(_ report: EpochReport, elements: Int) -> [Finding] {
    state.epochWatch.news(
      EpochHistory.Point(report), configuration, elements: elements, isCollapseTold: state.collapseReported)
  }
}

extension Coordinator {
  /// Messages about an epoch in addition to its numbers, in the order in which they are reported.
  package struct EpochNews: Sendable {
    package var findings: [Finding] = []
    package var collapse: String?
    package var treatment: TreatmentReport?
    package var complaint: String?
  }

  /// Makes all decisions at the end of an epoch, after validation, and collects the messages about it. The coordinator
  /// fills in the fields of `report` that only it knows, such as `isBest`.
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
