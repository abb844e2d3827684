import Foundation
import Kernels
import Settings

/// The update rules Adam and AdamW.
///
///     m = beta1 m + (1 - beta1) g
///     v = beta2 v + (1 - beta2) g^2
///     p -= rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
///
/// Sources: Kingma and Ba, 2015; Loshchilov and Hutter, 2019.
package struct Adam: UpdateRule {
  private let beta1, beta2, epsilon, weightDecay: Double
  /// Whether weight decay is applied directly to the parameters (AdamW) or through a term of the gradient.
  private let isDecoupled: Bool
  package let state = ["first", "second"]

  package init(_ settings: SettingValues = SettingValues(), isDecoupled: Bool = false) {
    (beta1, beta2) = (settings[.beta1], settings[.beta2])
    (epsilon, weightDecay) = (settings[.epsilon], settings[.weightDecay])
    self.isDecoupled = isDecoupled
  }

  package func update(_ memory: UpdateMemory, _ step: UpdateStep) {
    let t = Double(step.number)
    var constants = vd_adam_settings(
      scale: Float(step.scale), rest1: Float(1 - beta1), beta2: Float(beta2), rest2: Float(1 - beta2),
      epsilon: Float(epsilon), step: Float(step.rate / (1 - pow(beta1, t))),
      root: Float(1 / (1 - pow(beta2, t)).squareRoot()),
      keep: isDecoupled ? Float(1 - step.rate * weightDecay) : 1, l2: isDecoupled ? 0 : Float(weightDecay),
      average: step.average)
    let at = memory.range.lowerBound, count = memory.range.count
    let p = memory.parameters + at, m = memory.state[0] + at, v = memory.state[1] + at, g = memory.gradient + at
    guard let average = memory.average else { return vd_adam(p, m, v, g, count, &constants) }
    vd_adam_averaged(p, m, v, average + at, g, count, &constants)
  }
}

extension Member<SettingValues, any UpdateRule> {
  private static var adamSettings: [any SettingDeclaration] {
    [Setting.beta1, Setting.beta2, Setting.epsilon, Setting.weightDecay]
  }
  static var adam: Self { Self("adam", settings: adamSettings) { Adam($0) } }
  static var adamw: Self { Self("adamw", settings: adamSettings) { Adam($0, isDecoupled: true) } }
}

extension Setting<Double> {
  package static var beta1: Self {
    Self("optimizer.beta1", 0.9, "decay of the first moment", "in [0, 1)") { $0 >= 0 && $0 < 1 }
  }
  package static var beta2: Self {
    Self("optimizer.beta2", 0.999, "decay of the second moment", "in [0, 1)") { $0 >= 0 && $0 < 1 }
  }
  package static var epsilon: Self {
    Self("optimizer.epsilon", 0.00000001, "added to the root of the second moment", "between 1e-30 and 1e9") {
      (1e-30...1e9).contains($0)
    }
  }
  package static var weightDecay: Self {
    Self("optimizer.weight_decay", 0, "L2 (adam) or decoupled (adamw) decay", "between 0 and 1e9") {
      (0...1e9).contains($0)
    }
  }
}
