import Autograd
import Kernels

/// Sample numbers for tests in which they do not matter: 0 for every row.
nonisolated(unsafe) let sampleNumbers = UnsafePointer(Buffer.allocate(UInt64.self, count: 512))

extension Replay {
  /// A training replay in which all rows are filled and have the noise of sample 0.
  static func drawn(epoch: UInt32 = 0) -> Replay {
    .training(sampleNumbers, filled: .max, seed: 0, attempt: 0, epoch: epoch)
  }
}
