import Communication
import Data
import Kernels

/// Validation samples that pictures show, as validation itself finds them: each rank keeps those that it has read, and
/// the root gathers them.
package struct ShownSamples: Sendable {
  private static let most = 2_000
  private static let mostCodes = 1 << 20
  private static let mostPixels = 1 << 24

  /// Evenly spaced in the set, ascending.
  package let indices: [Int]
  package let latent: Int
  package let shape: SampleShape
  /// Which of `indices` have a picture, ascending; none where samples are no images.
  package let pictured: [Int]
  /// Posterior means. (indices.count, latent)
  package private(set) var mu: [Float] = []
  /// 0 to 255. (pictured.count, elements)
  package private(set) var pixels: [UInt8] = []

  /// - count: samples validated on.
  init(of count: Int, latent: Int, shape: SampleShape) {
    (self.latent, self.shape) = (latent, shape)
    indices = (0..<count).spaced(min(ShownSamples.most, max(1, ShownSamples.mostCodes / latent)))
    pictured =
      shape.canBeDrawn ? indices.indices.spaced(ShownSamples.mostPixels / shape.elementCount) : []
  }

  /// What the root takes for it, with what the ranks hand over.
  static func mostBytes(elements: Int, latent: Int) -> Int {
    2 * (min(most * latent, mostCodes) * MemoryLayout<Float>.stride + min(most * elements, mostPixels))
  }

  mutating func clear() { (mu, pixels) = ([], []) }

  /// Takes its part of validation's samples `range`. x (range.count, elements), codes (range.count, latent)
  mutating func keep(_ range: Range<Int>, x: UnsafePointer<Float>, codes: UnsafePointer<Float>) {
    for index in indices where range.contains(index) {
      mu += UnsafeBufferPointer(start: codes + (index - range.lowerBound) * latent, count: latent)
    }
    for place in pictured where range.contains(indices[place]) {
      let values = x + (indices[place] - range.lowerBound) * shape.elementCount
      pixels += (0..<shape.elementCount).map { UInt8(max(0, min(1, values[$0])) * 255 + 0.5) }
    }
  }

  /// Collective. Ranks hold consecutive samples, so theirs in turn are all in order.
  mutating func gather(_ communicator: Communicator) throws(Failure) {
    mu = try communicator.gatherOnRoot(mu).values
    pixels = try communicator.gatherOnRoot(pixels).values
  }

  /// Of the sample at a place.
  func mu(_ place: Int) -> ArraySlice<Float> { mu[place * latent..<(place + 1) * latent] }
}

extension RandomAccessCollection<Int> where Index == Int {
  /// At most so many, evenly spaced: many sets are sorted.
  package func spaced(_ most: Int) -> [Int] {
    most < count ? (0..<most).map { self[startIndex + $0 * count / most] } : Array(self)
  }
}
