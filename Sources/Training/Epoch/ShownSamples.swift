import Communication
import Data
import Kernels

/// The validation samples shown in images. Each rank keeps those that it reads during validation, and rank 0 gathers
/// them.
package struct ShownSamples: Sendable {
  private static let most = 2_000
  private static let mostCodes = 1 << 20
  private static let mostPixels = 1 << 24

  /// Indices in the validation set, evenly spaced and ascending.
  package let indices: [Int]
  package let latent: Int
  package let shape: SampleShape
  /// Positions in `indices` of the samples that have an image, ascending; empty if samples are not images.
  package let pictured: [Int]
  /// Posterior means. (indices.count, latent)
  package private(set) var mu: [Float] = []
  /// Pixels from 0 to 255. (pictured.count, elements)
  package private(set) var pixels: [UInt8] = []

  /// Chooses the samples.
  ///
  /// - Parameter count: Number of validation samples.
  init(of count: Int, latent: Int, shape: SampleShape) {
    (self.latent, self.shape) = (latent, shape)
    indices = (0..<count).spaced(min(ShownSamples.most, max(1, ShownSamples.mostCodes / latent)))
    pictured =
      shape.canBeDrawn ? indices.indices.spaced(ShownSamples.mostPixels / shape.elementCount) : []
  }

  /// Maximum number of bytes on rank 0, including what it receives from the other ranks.
  static func mostBytes(elements: Int, latent: Int) -> Int {
    2 * (min(most * latent, mostCodes) * MemoryLayout<Float>.stride + min(most * elements, mostPixels))
  }

  mutating func clear() { (mu, pixels) = ([], []) }

  /// Keeps the shown samples in `range` of the validation set. x (range.count, elements), codes (range.count, latent)
  mutating func keep(_ range: Range<Int>, x: UnsafePointer<Float>, codes: UnsafePointer<Float>) {
    for index in indices where range.contains(index) {
      mu += UnsafeBufferPointer(start: codes + (index - range.lowerBound) * latent, count: latent)
    }
    for place in pictured where range.contains(indices[place]) {
      let values = x + (indices[place] - range.lowerBound) * shape.elementCount
      pixels += (0..<shape.elementCount).map { UInt8(max(0, min(1, values[$0])) * 255 + 0.5) }
    }
  }

  /// Gathers the samples of all ranks on rank 0. Because ranks hold consecutive samples, the result is in order.
  /// Collective.
  mutating func gather(_ communicator: Communicator) throws(Failure) {
    mu = try communicator.gatherOnRoot(mu).values
    pixels = try communicator.gatherOnRoot(pixels).values
  }

  /// Posterior mean of the sample at a position in `indices`.
  func mu(_ place: Int) -> ArraySlice<Float> { mu[place * latent..<(place + 1) * latent] }
}

extension RandomAccessCollection<Int> where Index == Int {
  /// At most `most` elements, evenly spaced. Even spacing matters because many data sets are sorted.
  package func spaced(_ most: Int) -> [Int] {
    most < count ? (0..<most).map { self[startIndex + $0 * count / most] } : Array(self)
  }
}
