import RunConfiguration
import Foundation
import Kernels
import Settings

/// Weight of the KL as a pure function of the step, so that it needs no state when a run is resumed.
package struct BetaSchedule: Sendable {
  let shape: BetaShape
  let start, end: Double
  /// Length in steps of the rise, or of all cycles together. For geco and controlvae, it is the time they have to
  /// settle.
  let warmup: Double
  let cycles: Int
  let rise: Double

  /// Derives the schedule from the configuration.
  ///
  /// - Throws: `Failure` if the warm-up is longer than the training, because beta would never reach its final value.
  package init(_ objective: Configuration.Objective, stepsPerEpoch: Int, totalSteps: Int) throws(Failure) {
    shape = objective.betaSchedule
    start = objective.betaStart
    end = objective.betaEnd
    cycles = objective.betaCycles
    rise = objective.betaCycleRise
    let isDefault = objective.betaWarmup == 0
    let unit = objective.betaUnit == .epoch ? Double(stepsPerEpoch) : 1
    let whole = Double(totalSteps)
    // By default, cycles extend over the whole training, and a rise takes its first 30 %.
    warmup = isDefault ? (shape == .cyclical ? whole : 0.3 * whole) : objective.betaWarmup * unit
    if ![.constant, .geco, .controlvae].contains(shape), warmup > whole {
      let missed =
        shape == .capacity
        ? "C would never reach \(objective.betaTarget, .decimal)" : "beta would never reach \(end, .decimal)"
      let given = "\(objective.betaWarmup, .decimal) \(objective.betaUnit.rawValue)s"
      throw Failure(
        .badConfiguration,
        "the KL warm-up (\(given), \(Int(warmup)) steps) is longer than the training (\(totalSteps) steps): "
          + missed,
        hint: "lower objective.beta.warmup, or train longer (--max-epochs, --max-steps)")
    }
  }

  /// The first step at which beta, or the capacity, has its final value.
  var settled: Double { shape == .constant ? 0 : warmup }

  /// Beta at `step`, counted from 0.
  package func value(at step: Int) -> Double {
    let progress = warmup > 0 ? Double(step) / warmup : 1
    switch shape {
    case .constant: return end
    case .geco, .controlvae, .capacity: return start
    case .linear: return start + (end - start) * min(progress, 1)
    case .sigmoid:
      guard progress < 1 else { return end }
      // A logistic curve over -6...6, shifted and scaled so that it goes from `start` to `end`.
      func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
      let low = logistic(-6), high = logistic(6)
      return start + (end - start) * (logistic(12 * progress - 6) - low) / (high - low)
    case .cyclical:
      // Fu et al., "Cyclical annealing schedule", NAACL 2019. In each cycle, beta rises, stays constant, and drops at
      // once.
      guard progress < 1 else { return end }
      let phase = (progress * Double(cycles)).truncatingRemainder(dividingBy: 1)
      return start + (end - start) * min(phase / rise, 1)
    }
  }
}

/// Learning rate as a function of the step, before it is halved by rollbacks.
package struct RateSchedule: Sendable {
  let schedule: Configuration.Schedule
  let rate: Double
  let stepsPerEpoch: Int
  let totalSteps: Int
  /// If set, the rate starts at `first` and is multiplied by `factor` after each step, to search for the best rate.
  var sweep: (first: Double, factor: Double)?

  /// Derives the schedule from the configuration.
  ///
  /// - Throws: `Failure` if the warm-up is longer than the training.
  package init(_ configuration: Configuration, stepsPerEpoch: Int, totalSteps: Int) throws(Failure) {
    schedule = configuration.schedule
    rate = configuration.optimizer.learningRate
    self.stepsPerEpoch = stepsPerEpoch
    self.totalSteps = totalSteps
    if schedule.kind == .warmupCosine, schedule.warmupSteps > totalSteps {
      throw Failure(
        .badConfiguration,
        "the learning rate's warm-up (\(schedule.warmupSteps) steps) is longer than the training (\(totalSteps) steps)",
        hint: "lower schedule.warmup_steps, or train longer (--max-epochs, --max-steps)")
    }
  }

  /// Learning rate at `step`, counted from 0.
  package func value(at step: Int) -> Double {
    if let sweep { return sweep.first * pow(sweep.factor, Double(step)) }
    switch schedule.kind {
    case .constant: return rate
    case .step: return rate * pow(schedule.stepFactor, Double(step / stepsPerEpoch / schedule.stepEpochs))
    case .warmupCosine:
      if step < schedule.warmupSteps { return rate * Double(step + 1) / Double(schedule.warmupSteps) }
      let span = max(1, totalSteps - schedule.warmupSteps)
      let progress = min(1, Double(step - schedule.warmupSteps) / Double(span))
      let floor = schedule.minimumFactor
      return rate * (floor + (1 - floor) * 0.5 * (1 + cos(.pi * progress)))
    }
  }
}
