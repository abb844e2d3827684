import RunConfiguration
import VAE

extension EpochMetric {
  func value(_ report: ValidationReport) -> Double {
    switch self {
    case .negativeELBO: report.means.negativeELBO
    case .reconstruction: report.means.reconstruction
    case .reconstructionOfMean: report.reconstructionOfMean
    case .kl: report.means.kl
    case .loss: report.loss
    }
  }

  /// Whether values from epochs with different beta can be compared.
  var isFair: Bool { self == .negativeELBO }
}

/// Decides which epoch is the best and whether further epochs are worthwhile. It is part of rank 0's coordinator.
package struct EarlyStopping: Sendable {
  /// The part that is saved in a checkpoint.
  package struct State: Sendable, Equatable, Codable {
    /// Lowest value among the epochs that were kept, and the step of that epoch.
    package var best: Double?
    package var bestStep = -1
    /// Whether an epoch after the warm-up has been judged.
    package var isSettled = false
    /// The last value that was an improvement by more than `monitor.min_delta`, and the number of epochs since then.
    package var reference: Double?
    package var staleEpochs = 0
    /// Step before which no epoch counts for patience, because a treatment has changed the objective.
    package var waitsUntil: Int?

    mutating func waitAnew(until step: Int?) { (reference, staleEpochs, waitsUntil) = (nil, 0, step) }

    /// Forgets the best epoch, for example because its weights no longer exist.
    mutating func forgetBest() { (best, bestStep) = (nil, -1) }
  }

  /// The part of the decision about an epoch that rank 0 sends to every rank.
  package struct Verdict: BitwiseCopyable, Sendable, Equatable {
    package var isBest = false
    package var isLast = false
  }

  let metric: EpochMetric
  let patience: Int
  let minimumDelta: Double
  /// Number of steps in which the schedule changes beta. Earlier epochs cannot be compared with later ones.
  let warmup: Double

  init(_ monitor: Configuration.Monitor, warmup: Double) {
    metric = monitor.metric
    patience = monitor.patience
    minimumDelta = monitor.minimumDelta
    self.warmup = warmup
  }

  /// Judges an epoch after its validation.
  ///
  /// - Parameters:
  ///   - isWhole: Whether all steps of the epoch were done. Only such epochs count for patience.
  ///   - isKept: Whether a checkpoint is due. With patience, a checkpoint of the best epoch is written in any case.
  func judge(
    _ report: ValidationReport, step: Int, isWhole: Bool, isKept: Bool, _ state: inout State
  ) -> Verdict {
    let value = metric.value(report)
    var verdict = Verdict()
    let isSettled = Double(step) >= max(warmup, Double(state.waitsUntil ?? 0))
    if isSettled, !state.isSettled {
      state.isSettled = true
      if !metric.isFair { state.forgetBest() }
    }
    if value.isFinite, value < state.best ?? .infinity, isKept || patience > 0 {
      (state.best, state.bestStep) = (value, step)
      verdict.isBest = true
    }
    guard patience > 0, isWhole, isSettled else { return verdict }
    if value.isFinite, state.reference.map({ value < $0 - minimumDelta }) ?? true {
      (state.reference, state.staleEpochs) = (value, 0)
    } else {
      state.staleEpochs += 1
    }
    verdict.isLast = isExhausted(state)
    return verdict
  }

  /// Whether a run in this state has stopped early. A larger patience lets it continue.
  func isExhausted(_ state: State) -> Bool { patience > 0 && state.staleEpochs >= patience }
}
