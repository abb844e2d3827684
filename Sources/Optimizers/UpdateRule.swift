import Kernels
import Settings

/// A rule that changes each parameter according to its gradient, elementwise and in one pass. Each rule has its own
/// file.
package protocol UpdateRule: Sendable {
  /// Names of the rule's buffers in checkpoints. The buffers have the size of the parameters and are initially 0.
  var state: [String] { get }
  /// Applies one update. It must not allocate memory.
  func update(_ memory: UpdateMemory, _ step: UpdateStep)
}

/// The buffers of an update. Only `range` of each buffer is read and written.
package struct UpdateMemory {
  package let parameters: UnsafeMutablePointer<Float>
  package let gradient: UnsafePointer<Float>
  /// The rule's buffers, in the order of `state`.
  package let state: [UnsafeMutablePointer<Float>]
  /// Moving average of the parameters; nil if there is none. The rule moves it towards the new parameters by the
  /// fraction `UpdateStep.average`.
  package let average: UnsafeMutablePointer<Float>?
  package let range: Range<Int>

  package init(
    parameters: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, state: [UnsafeMutablePointer<Float>],
    average: UnsafeMutablePointer<Float>?, range: Range<Int>
  ) {
    (self.parameters, self.gradient, self.state) = (parameters, gradient, state)
    (self.average, self.range) = (average, range)
  }
}

/// The numbers of one update.
package struct UpdateStep {
  /// Learning rate.
  package let rate: Double
  /// Factor that is applied to the gradient first.
  package let scale: Double
  /// Number of updates so far, including this one.
  package let number: Int
  package let average: Float

  package init(rate: Double, scale: Double, number: Int, average: Float) {
    (self.rate, self.scale, self.number, self.average) = (rate, scale, number, average)
  }
}

/// The registered optimisers.
package enum OptimizerRegistry {
  package static let all = Registry<SettingValues, any UpdateRule>(
    "optimizer", key: "optimizer.kind",
    [
      .adam,
      .adamw,
    ])
}
