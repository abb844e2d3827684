import Foundation
import Kernels

/// Adam and AdamW over the flat parameter buffer, in one pass.
///
/// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// p -= rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon). Kingma and Ba, 2015; Loshchilov and Hutter, 2019.
/// With `ema`: a += (1 - d) (p - a), d = min(ema, (1 + t) / (10 + t)), so that the initial values are soon forgotten.
package final class Optimizer {
  package let settings: Configuration.Optimizer
  package let count: Int
  /// First and second moments. (count)
  package let first: UnsafeMutablePointer<Float>
  package let second: UnsafeMutablePointer<Float>
  /// Moving average of the parameters, with `ema`. (count)
  package let average: UnsafeMutablePointer<Float>?
  /// What this rank updates: all, or its part where the ranks of a node share one copy.
  package let share: Range<Int>
  package let isShared: Bool

  package init(_ settings: Configuration.Optimizer, count: Int) {
    self.settings = settings
    self.count = count
    first = Buffer.allocate(Float.self, count: count)
    second = Buffer.allocate(Float.self, count: count)
    average = settings.ema > 0 ? Buffer.allocate(Float.self, count: count) : nil
    share = 0..<count
    isShared = false
  }

  /// Moments in memory that several ranks share, one after the other, `stride` apart; this one updates `share`.
  package init(
    _ settings: Configuration.Optimizer, count: Int, memory: UnsafeMutablePointer<Float>, stride: Int,
    share: Range<Int>
  ) {
    self.settings = settings
    self.count = count
    first = memory
    second = memory + stride
    average = settings.ema > 0 ? memory + 2 * stride : nil
    self.share = share
    isShared = true
  }

  /// Buffers of the parameters' size that belong to it.
  package static func buffers(_ settings: Configuration.Optimizer) -> Int { settings.ema > 0 ? 3 : 2 }

  /// The average begins at the initial parameters.
  package func begin(with parameters: UnsafePointer<Float>) { average?.update(from: parameters, count: count) }

  deinit {
    guard !isShared else { return }
    first.deallocate()
    second.deallocate()
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
    let decay = settings.weightDecay, t = Double(update)
    let isDecoupled = settings.kind == .adamw
    var constants = vd_adam_settings(
      scale: Float(scale), rest1: Float(1 - settings.beta1), beta2: Float(settings.beta2),
      rest2: Float(1 - settings.beta2), epsilon: Float(settings.epsilon),
      step: Float(rate / (1 - pow(settings.beta1, t))),
      root: Float(1 / (1 - pow(settings.beta2, t)).squareRoot()),
      keep: isDecoupled ? Float(1 - rate * decay) : 1, l2: isDecoupled ? 0 : Float(decay),
      average: Float(1 - min(settings.ema, (1 + t) / (10 + t))))
    let at = share.lowerBound
    guard let average else {
      return vd_adam(parameters + at, first + at, second + at, gradient + at, share.count, &constants)
    }
    vd_adam_averaged(
      parameters + at, first + at, second + at, average + at, gradient + at, share.count, &constants)
  }
}
