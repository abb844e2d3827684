import Foundation
import Kernels

/// Adam and AdamW over the flat parameter buffer, in one pass.
///
/// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// p -= rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon). Kingma and Ba, 2015; Loshchilov and Hutter, 2019.
package final class Optimizer {
  package let settings: Configuration.Optimizer
  package let count: Int
  /// First and second moments. (count)
  package let first: UnsafeMutablePointer<Float>
  package let second: UnsafeMutablePointer<Float>
  /// What this rank updates: all, or its part where the ranks of a node share one copy.
  package let share: Range<Int>
  package let isShared: Bool
  /// Updates done.
  package var updates = 0

  package init(_ settings: Configuration.Optimizer, count: Int) {
    self.settings = settings
    self.count = count
    first = Buffer.allocate(Float.self, count: count)
    second = Buffer.allocate(Float.self, count: count)
    share = 0..<count
    isShared = false
  }

  /// Moments in memory that several ranks share; this one updates `share`.
  package init(
    _ settings: Configuration.Optimizer, count: Int, first: UnsafeMutablePointer<Float>,
    second: UnsafeMutablePointer<Float>, share: Range<Int>
  ) {
    self.settings = settings
    self.count = count
    self.first = first
    self.second = second
    self.share = share
    isShared = true
  }

  deinit {
    guard !isShared else { return }
    first.deallocate()
    second.deallocate()
  }

  /// Factor that brings a gradient of this norm to at most the clipping norm, as torch.nn.utils.clip_grad_norm_.
  package func clipFactor(norm: Double) -> Double {
    settings.clipNorm > 0 ? min(1, settings.clipNorm / (norm + 1e-6)) : 1
  }

  /// One update of this rank's share of the parameters, the gradient scaled by `scale` first.
  package func step(
    _ parameters: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, rate: Double, scale: Double
  ) {
    updates += 1
    let decay = settings.weightDecay
    let isDecoupled = settings.kind == .adamw
    var constants = vd_adam_settings(
      scale: Float(scale), rest1: Float(1 - settings.beta1), beta2: Float(settings.beta2),
      rest2: Float(1 - settings.beta2), epsilon: Float(settings.epsilon),
      step: Float(rate / (1 - pow(settings.beta1, Double(updates)))),
      root: Float(1 / (1 - pow(settings.beta2, Double(updates))).squareRoot()),
      keep: isDecoupled ? Float(1 - rate * decay) : 1, l2: isDecoupled ? 0 : Float(decay))
    let at = share.lowerBound
    vd_adam(parameters + at, first + at, second + at, gradient + at, share.count, &constants)
  }
}
