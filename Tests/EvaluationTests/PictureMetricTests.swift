import Kernels
import Data
import Foundation
import Testing

@testable import Evaluation

@Suite struct PictureMetricTests {
  @Test("Sharpness is the variance of the Laplacian of the mean over channels, computed by hand")
  func sharpness() throws {
    let grey: [Float] = [0, 1, 2, 3, 1, 1, 0, 2, 2, 0.5, 1, 0, 3, 3, 1, 1]
    // The four values in the middle are -1.5, 6, 5 and -2.5.
    let measure = try #require(Sharpness(.image(height: 4, width: 4, channels: 1)))
    #expect(measure(grey) == 14.3125)
    let colour = grey.flatMap { [$0 + 1, $0 - 3, $0 + 2] }
    let three = try #require(Sharpness(.image(height: 4, width: 4, channels: 3)))
    #expect(abs(three(colour) - 14.3125) < 1e-9)
    #expect(measure([Float](repeating: 0.5, count: 16)) == 0)
    #expect(Sharpness(.vector(16)) == nil && Sharpness(.image(height: 2, width: 9, channels: 1)) == nil)
  }

  @Test("The Frechet distance equals closed forms for commuting covariances, and SciPy's values for others")
  func frechet() {
    let a: [Float] = [0.5, 1, 2, 1, -1, 0.3, 0.2, 0.4, -2, 1.5, 2, 1, -1, 0, 0.5, 0.1, -0.7, 1.2]
    let b: [Float] = [0, 1, 1, 2, -1, 0.5, 1.2, 0.4, -1, 0.5, 1, 1, -1, 2, 0.5]
    let first = CodeMoments(a, dimensions: 3), second = CodeMoments(b, dimensions: 3)
    #expect(abs(frechetDistance(first, second) - 1.827_190_655_992_868) < 1e-6)
    #expect(abs(frechetDistance(second, first) - 1.827_190_655_992_868) < 1e-6)
    #expect(frechetDistance(first, first) < 1e-12)
    // The means are 1 and 5, and the deviations are 1 and 3.
    let narrow = CodeMoments([0, 2], dimensions: 1), wide = CodeMoments([2, 8], dimensions: 1)
    #expect(abs(frechetDistance(narrow, wide) - 20) < 1e-12)
    // One dimension is constant.
    #expect(abs(frechetDistance(narrow, CodeMoments([1, 1], dimensions: 1)) - 1) < 1e-12)
  }

  @Test("Moments from sums equal moments from points")
  func moments() {
    let points: [Float] = [1, 2, -3, 0.5, 4, 4]
    let direct = CodeMoments(points, dimensions: 2)
    let summed = CodeMoments(count: 3, sums: [2, 6.5], products: [26, 16.5, 16.5, 20.25])
    #expect(zip(direct.mean + direct.covariance, summed.mean + summed.covariance).allSatisfy { abs($0 - $1) < 1e-12 })
  }

  @Test("Smoothness is 1 for even steps, large for a jump, and undefined if nothing moves")
  func smoothness() {
    // There are three pairs of four pictures with two pixels.
    let even: [Float] = [0, 0, 3, 4, 6, 8, 9, 12], jump: [Float] = [0, 0, 1, 0, 1, 8, 1, 10]
    let still = [Float](repeating: 2, count: 8)
    let found = InterpolationSmoothness(even + jump + still, pairs: 3, steps: 4)
    #expect(found.ratios == [1, 4, nil] && found.mean == 2.5)
    #expect(InterpolationSmoothness(still, pairs: 1, steps: 4).mean == nil)
    #expect(InterpolationSmoothness([], pairs: 0, steps: 10).mean == nil)
    // With an even number of steps, the median is between two of them.
    #expect(InterpolationSmoothness([0, 1, 4], pairs: 1, steps: 3).ratios == [1.5])
  }
}
