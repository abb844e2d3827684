import Data
import Kernels
import TestSupport
import Testing

@Suite struct SpectrumTests {
  /// `count` samples of `directions` independent values, which are copied so that a sample has `width` values.
  private func rows(_ count: Int, directions: Int, width: Int) -> [Float] {
    var noise = [Float](repeating: 0, count: count * directions)
    KeyedGenerator(seed: 3, stream: "spectrum").normal(
      into: &noise, samples: (0..<count).map(UInt64.init), rows: count, columns: directions, epoch: 0)
    return (0..<count).flatMap { i in (0..<width).map { noise[i * directions + $0 % directions] } }
  }

  @Test(
    "The number of components equals that of directions, by the matrix of columns and by that of samples",
    arguments: [(2_000, 5, 20), (300, 5, 700)])
  func directions(count: Int, directions: Int, width: Int) throws {
    let spectrum = try #require(PrincipalSpectrum(rows(count, directions: directions, width: width), width: width))
    #expect(spectrum.components(holding: 0.999) == directions)
    #expect(spectrum.components(holding: 0.15) == 1)
    // Each direction is copied width / directions times.
    #expect(abs(spectrum.total / Double(width) - 1) < 0.1)
    #expect(spectrum.variances[directions] < 1e-4 * spectrum.variances[0])
  }

  @Test("No number of components is reported for too few or too large samples")
  func limits() throws {
    #expect(PrincipalSpectrum([], width: 3) == nil && PrincipalSpectrum([1, 2, 3], width: 3) == nil)
    #expect(PrincipalSpectrum([Float](repeating: 1, count: 40), width: 4)?.components(holding: 0.9) == nil)
    // There are forty directions but only thirty samples.
    let few = try #require(PrincipalSpectrum(rows(30, directions: 40, width: 40), width: 40))
    #expect(few.components(holding: 0.99) == nil && few.components(holding: 0.2) != nil)
    #expect(PrincipalSpectrum.samples(of: 1_000_000, width: 784) == 512)
    #expect(PrincipalSpectrum.samples(of: 1_000_000, width: 20) == 4_096)
    #expect(PrincipalSpectrum.samples(of: 1_000_000, width: 64 * 64 * 3) < 200)
    #expect(PrincipalSpectrum.samples(of: 40, width: 20) == 40 && PrincipalSpectrum.samples(of: 10, width: 20) == 0)
  }
}
