import Kernels

/// The settings of an optimiser.
package struct OptimizerSettings: Sendable {
  package var rule: any UpdateRule
  /// Limit of the global gradient norm; 0 disables clipping.
  package var clipNorm = 1.0
  /// Decay of an exponential moving average of the parameters; 0 disables the average.
  package var ema = 0.0

  package init(rule: any UpdateRule = Adam()) { self.rule = rule }

  /// Number of parameter-sized buffers that the optimiser owns.
  package var buffers: Int { rule.state.count + (ema > 0 ? 1 : 0) }
}

/// Applies an update rule to the flat parameter buffer, with gradient clipping and a moving average, in one pass.
///
/// With `ema`, the average is a += (1 - d) (p - a) with d = min(ema, (1 + t) / (10 + t)), so that the initial values
/// quickly lose their influence.
package final class Optimizer {
  package let settings: OptimizerSettings
  package let count: Int
  private let statistics: Int
  /// The buffers of the update rule, in the rule's order. (count) each
  package let state: [UnsafeMutablePointer<Float>]
  /// Moving average of the parameters; nil without `ema`. It is followed by an unaveraged copy of the model's
  /// statistics. (count + statistics)
  package let average: UnsafeMutablePointer<Float>?
  /// The range that this rank updates: all parameters, or a part if the ranks of a node share one copy.
  package let share: Range<Int>
  package let isShared: Bool

  /// - count: number of learned parameters.
  /// - statistics: number of statistics, which follow the parameters. Only the average contains them.
  package init(_ settings: OptimizerSettings, count: Int, statistics: Int = 0) {
    self.settings = settings
    self.count = count
    self.statistics = statistics
    state = settings.rule.state.map { _ in Buffer.allocate(Float.self, count: count) }
    average = settings.ema > 0 ? Buffer.allocate(Float.self, count: count + statistics) : nil
    share = 0..<count
    isShared = false
  }

  /// Uses memory that several ranks share. The buffers follow each other at distance `stride`, and this rank updates
  /// `share`.
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

  /// Initialises the average with the initial parameters.
  package func begin(with parameters: UnsafePointer<Float>) {
    average?.update(from: parameters, count: count + statistics)
  }

  deinit {
    guard !isShared else { return }
    for buffer in state { buffer.deallocate() }
    average?.deallocate()
  }

  /// The factor that scales a gradient of this norm to at most the clipping norm, as in torch.nn.utils.clip_grad_norm_.
  package func clipFactor(norm: Double) -> Double {
    settings.clipNorm > 0 ? min(1, settings.clipNorm / (norm + 1e-6)) : 1
  }

  /// Updates this rank's share of the parameters.
  ///
  /// - scale: factor that is applied to the gradient first.
  /// - update: number of this update, starting at 1, for the bias correction of the moments.
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
