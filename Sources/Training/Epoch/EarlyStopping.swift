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

  /// Whether epochs with different beta compare.
  var isFair: Bool { self == .negativeELBO }
}

/// Which epoch is the best, and when there is no use in another: part of rank 0's judgement.
package struct EarlyStopping: Sendable {
  /// What a checkpoint keeps of it.
  package struct State: Sendable, Equatable, Codable {
    /// The lowest value of an epoch that was kept, and its step.
    package var best: Double?
    package var bestStep = -1
    /// Whether the best is of an epoch after the warm-up.
    package var isSettled = false
    /// The last value that was better by `monitor.min_delta`, and the epochs since.
    package var reference: Double?
    package var staleEpochs = 0
    /// Steps before which nothing is judged: a treatment changed what is minimised.
    package var waitsUntil: Int?

    mutating func waitAnew(until step: Int?) { (reference, staleEpochs, waitsUntil) = (nil, 0, step) }

    /// Its weights are gone.
    mutating func forgetBest() { (best, bestStep) = (nil, -1) }
  }

  /// What rank 0 tells every rank of an epoch.
  package struct Verdict: BitwiseCopyable, Sendable, Equatable {
    package var isBest = false
    package var isLast = false
  }

  let metric: EpochMetric
  let patience: Int
  let minimumDelta: Double
  /// Steps before which beta changes by plan: epochs before say nothing of those to come.
  let warmup: Double

  init(_ monitor: Configuration.Monitor, warmup: Double) {
    metric = monitor.metric
    patience = monitor.patience
    minimumDelta = monitor.minimumDelta
    self.warmup = warmup
  }

  /// - isWhole: only such epochs count for patience. - isKept: whether a checkpoint is due; with patience, the best
  /// epoch is kept whenever it comes.
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

  /// Whether a run in this state has stopped early; more patience makes it go on.
  func isExhausted(_ state: State) -> Bool { patience > 0 && state.staleEpochs >= patience }
}
