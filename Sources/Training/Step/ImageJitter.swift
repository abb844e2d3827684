import RunConfiguration
import Data
import Kernels

/// Flips and shifts training images at random, differently in every epoch. The random numbers are keyed by seed, epoch
/// and sample, so that the result depends neither on the number of ranks nor on restarts.
final class ImageJitter {
  private let flips: Bool
  private let shift: Int
  private let shape: SampleShape
  /// Copy of an image before it is moved.
  private let original: UnsafeMutablePointer<Float>
  private static let stream = KeyedGenerator.hash("augment")

  /// Returns nil if the configuration asks for no augmentation.
  init?(_ configuration: Configuration.Data, shape: SampleShape) {
    guard configuration.flip || configuration.shift > 0 else { return nil }
    flips = configuration.flip
    shift = configuration.shift
    self.shape = shape
    original = Buffer.allocate(Float.self, count: shape.elementCount)
  }

  deinit { original.deallocate() }

  /// Augments the first `rows` images in place. x (rows, elements)
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

  /// A uniformly distributed integer from -shift to shift.
  private func offset(_ word: UInt32) -> Int { Int((UInt64(word) * UInt64(2 * shift + 1)) >> 32) - shift }
}

extension Configuration.Data {
  /// Checks that augmentation is possible: it needs images, and a shift must be smaller than the image.
  ///
  /// - Throws: `Failure` with the status `badConfiguration` otherwise.
  func requireAugmentable(_ data: Dataset) throws(Failure) {
    guard flip || shift > 0 else { return }
    guard data.shape.isImage else {
      throw Failure(
        .badConfiguration, "data.flip and data.shift are for images, and \(data.name) has samples of \(data.shape)",
        hint: "remove these settings")
    }
    guard shift < min(data.shape.height, data.shape.width) else {
      throw Failure(
        .badConfiguration, "data.shift is \(shift) pixels, and the images of \(data.name) are \(data.shape)",
        hint: "reduce data.shift to a few pixels")
    }
  }
}
