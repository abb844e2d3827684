import Data
import Testing

@testable import Training

@Suite struct ShownSamplesTests {
  /// Collects samples as a validation in chunks of 100. The code of a sample is its number, and so are its values.
  private func shown(_ count: Int, latent: Int, shape: SampleShape) -> ShownSamples {
    var shown = ShownSamples(of: count, latent: latent, shape: shape)
    for first in stride(from: 0, to: count, by: 100) {
      let range = first..<min(count, first + 100)
      let x = range.flatMap { [Float](repeating: Float($0 % 256) / 255, count: shape.elementCount) }
      shown.keep(range, x: x, codes: range.flatMap { [Float](repeating: Float($0), count: latent) })
    }
    return shown
  }

  @Test("Shown samples are spread over a set, also if it is sorted, and have their own codes and pictures")
  func spaced() {
    let all = shown(150, latent: 2, shape: .image(height: 1, width: 3, channels: 1))
    #expect(all.indices == Array(0..<150) && all.pictured == all.indices && all.pixels.count == 450)
    let some = shown(5_000, latent: 2, shape: .image(height: 1, width: 3, channels: 1))
    #expect(some.indices.count == 2_000 && some.indices.prefix(3) == [0, 2, 5] && some.indices.last == 4_997)
    #expect(some.mu == some.indices.flatMap { [Float($0), Float($0)] } && some.mu(3) == [7, 7])
    #expect(some.pixels == some.indices.flatMap { [UInt8](repeating: UInt8($0 % 256), count: 3) })
    #expect(shown(300, latent: 1, shape: .vector(3)).pixels.isEmpty)
  }

  @Test("Fewer samples are shown if samples or codes are large, so that memory is limited")
  func bounded() {
    let shape = SampleShape.image(height: 512, width: 512, channels: 3)
    let large = ShownSamples(of: 10_000, latent: 10, shape: shape)
    #expect(large.indices.count == 2_000 && large.pictured.count == 21 && large.pictured.last == 1_904)
    #expect(ShownSamples(of: 9, latent: 1, shape: .image(height: 9_000, width: 9_000, channels: 1)).pictured.isEmpty)
    #expect(ShownSamples(of: 10_000, latent: 1 << 14, shape: .vector(2)).indices.count == 64)
    for elements in [1, 784, 1 << 20, 1 << 25, 1 << 30] {
      for (classes, kinds) in [(0, 5), (1_000, 6)] {
        let bytes = PictureMaker.bytes(elements: elements, latent: 2, classes: classes)
        #expect(bytes <= kinds * 160_000_000, "\(elements), \(classes)")
      }
      #expect(ShownSamples.mostBytes(elements: elements, latent: 2) <= 50_000_000, "\(elements)")
    }
  }
}
