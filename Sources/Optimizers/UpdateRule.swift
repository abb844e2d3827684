import Kernels
import Settings

/// How an optimiser moves parameters along a gradient, element by element and in one pass. One file each.
package protocol UpdateRule: Sendable {
  /// Names of the buffers that it keeps, of the parameters' size and 0 at first, as checkpoints have them.
  var state: [String] { get }
  /// One update; allocates nothing.
  func update(_ memory: UpdateMemory, _ step: UpdateStep)
}

/// What an update reads and writes: `range` of each buffer.
package struct UpdateMemory {
  package let parameters: UnsafeMutablePointer<Float>
  package let gradient: UnsafePointer<Float>
  /// As the rule's `state` names them.
  package let state: [UnsafeMutablePointer<Float>]
  /// Moving average of the parameters, where one is kept: the rule moves it by `UpdateStep.average` of its distance to the
  /// new parameter.
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

package struct UpdateStep {
  /// Learning rate.
  package let rate: Double
  /// Factor of the gradient, which comes first.
  package let scale: Double
  /// Updates so far, this one included.
  package let number: Int
  package let average: Float

  package init(rate: Double, scale: Double, number: Int, average: Float) {
    (self.rate, self.scale, self.number, self.average) = (rate, scale, number, average)
  }
}

/// The optimisers by name: one line each.
package enum OptimizerRegistry {
  package static let all = Registry<SettingValues, any UpdateRule>(
    "optimizer", key: "optimizer.kind",
    [
      .adam,
      .adamw,
    ])
}
