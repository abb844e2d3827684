import RunConfiguration
import Data
import Kernels

/// Training images mirrored and moved, anew each epoch: keyed by seed, epoch and sample, so that ranks and restarts do
/// not show.
final class ImageJitter {
  private let flips: Bool
  private let shift: Int
  private let shape: SampleShape
  /// A picture as it was loaded.
  private let original: UnsafeMutablePointer<Float>
  private static let stream = KeyedGenerator.hash("augment")

  /// Nil where nothing is to be done.
  init?(_ configuration: Configuration.Data, shape: SampleShape) {
    guard configuration.flip || configuration.shift > 0 else { return nil }
    flips = configuration.flip
    shift = configuration.shift
    self.shape = shape
    original = Buffer.allocate(Float.self, count: shape.elementCount)
  }

  deinit { original.deallocate() }

  /// x (rows, elements)
  func apply(
    _ x: UnsafeMutablePointer<Float>, samples: UnsafePointer<UInt64>, rows: Int, seed: UInt64, attempt: Int,
    epoch: UInt32
  ) {
    let generator = KeyedGenerator(seed: seed, streamHash: ImageJitter.stream, attempt: attempt)
    let count = shape.elementCount
    for row in 0..<rows {
      let sample = samples[row]
      let words = generator.words(
        0, epoch, UInt32(truncatingIfNeeded: sample), UInt32(truncatingIfNeeded: sample >> 32))
      let mirrored = flips && words.0 & 1 == 1
      let (down, right) = (offset(words.1), offset(words.2))
      if !mirrored, down == 0, right == 0 { continue }
      let picture = x + row * count
      original.update(from: picture, count: count)
      vd_move_picture(
        picture, original, shape.height, shape.width, shape.channels, down, right, mirrored ? 1 : 0)
    }
  }

  /// From -shift to shift, all alike.
  private func offset(_ word: UInt32) -> Int { Int((UInt64(word) * UInt64(2 * shift + 1)) >> 32) - shift }
}

extension Configuration.Data {
  /// Only pictures can be mirrored and moved, and none further than its own size.
  func requireAugmentable(_ data: Dataset) throws(Failure) {
    guard flip || shift > 0 else { return }
    guard data.shape.isImage else {
      throw Failure(
        .badConfiguration, "data.flip and data.shift are for images, and \(data.name) has samples of \(data.shape)",
        hint: "leave them out")
    }
    guard shift < min(data.shape.height, data.shape.width) else {
      throw Failure(
        .badConfiguration, "data.shift is \(shift) pixels, and the images of \(data.name) are \(data.shape)",
        hint: "reduce data.shift to a few pixels")
    }
  }
}
