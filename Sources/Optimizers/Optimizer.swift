import Kernels

/// What configuration says about an optimiser.
package struct OptimizerSettings: Sendable {
  package var rule: any UpdateRule
  /// Largest global norm of the gradient; 0: any.
  package var clipNorm = 1.0
  /// Decay of a moving average of the parameters; 0: none is kept.
  package var ema = 0.0

  package init(rule: any UpdateRule = Adam()) { self.rule = rule }

  /// Buffers of the parameters' size that belong to the optimiser.
  package var buffers: Int { rule.state.count + (ema > 0 ? 1 : 0) }
}

/// An update rule over the flat parameter buffer, with clipping and a moving average, in one pass.
///
/// With `ema`: a += (1 - d) (p - a), d = min(ema, (1 + t) / (10 + t)), so that the initial values are soon forgotten.
package final class Optimizer {
  package let settings: OptimizerSettings
  package let count: Int
  private let statistics: Int
  /// The rule's buffers, in its order. (count) each
  package let state: [UnsafeMutablePointer<Float>]
  /// Moving average of the parameters, with `ema`; behind it the model's statistics as they are. (count + statistics)
  package let average: UnsafeMutablePointer<Float>?
  /// What this rank updates: all, or its part where the ranks of a node share one copy.
  package let share: Range<Int>
  package let isShared: Bool

  /// - count: parameters that are learned. - statistics: values behind them, which the average has and nothing else.
  package init(_ settings: OptimizerSettings, count: Int, statistics: Int = 0) {
    self.settings = settings
    self.count = count
    self.statistics = statistics
    state = settings.rule.state.map { _ in Buffer.allocate(Float.self, count: count) }
    average = settings.ema > 0 ? Buffer.allocate(Float.self, count: count + statistics) : nil
    share = 0..<count
    isShared = false
  }

  /// Its buffers in memory that several ranks share, one after the other, `stride` apart; this one updates `share`.
  package init(
    _ settings: OptimizerSettings, count: Int, statistics: Int = 0, memory: UnsafeMutablePointer<Float>, stride: Int,
    share: Range<Int>
  ) {
    self.settings = settings
    self.count = count
    self.statistics = statistics
    state = settings.rule.state.indices.map { memory + $0 * stride }
    average = settings.ema > 0 ? memory + settings.rule.state.count * stride : nil
    self.share = share
    isShared = true
  }

  /// The average begins at the initial parameters.
  package func begin(with parameters: UnsafePointer<Float>) {
    average?.update(from: parameters, count: count + statistics)
  }

  deinit {
    guard !isShared else { return }
    for buffer in state { buffer.deallocate() }
    average?.deallocate()
  }

  /// Factor that brings a gradient of this norm to at most the clipping norm, as torch.nn.utils.clip_grad_norm_.
  package func clipFactor(norm: Double) -> Double {
    settings.clipNorm > 0 ? min(1, settings.clipNorm / (norm + 1e-6)) : 1
  }

  /// One update of this rank's share of the parameters, the gradient scaled by `scale` first. `update`: its number,
  /// counted from 1, which the corrections of the moments depend on.
  package func step(
    _ parameters: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, rate: Double, scale: Double, update: Int
  ) {
    let t = Double(update)
    settings.rule.update(
      UpdateMemory(parameters: parameters, gradient: gradient, state: state, average: average, range: share),
      UpdateStep(
        rate: rate, scale: scale, number: update, average: Float(1 - min(settings.ema, (1 + t) / (10 + t)))))
  }
}
