import Data

/// The sharpness of an image: the variance of the Laplacian of its mean over channels, at all pixels with four
/// neighbours (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000).
package struct Sharpness {
  private let shape: SampleShape

  /// Returns nil if the samples are not images or have fewer than three rows or columns.
  package init?(_ shape: SampleShape) {
    guard shape.isImage, shape.height > 2, shape.width > 2 else { return nil }
    self.shape = shape
  }

  /// The sharpness of one image. x (elements)
  package func callAsFunction(_ x: UnsafePointer<Float>) -> Double {
    let (height, width, channels) = (shape.height, shape.width, shape.channels)
    func level(_ row: Int, _ column: Int) -> Double {
      let pixel = x + (row * width + column) * channels
      var sum = 0.0
      for channel in 0..<channels { sum += Double(pixel[channel]) }
      return sum / Double(channels)
    }
    var sum = 0.0, squares = 0.0
    for row in 1..<height - 1 {
      for column in 1..<width - 1 {
        let around = level(row - 1, column) + level(row + 1, column) + level(row, column - 1) + level(row, column + 1)
        let value = around - 4 * level(row, column)
        sum += value
        squares += value * value
      }
    }
    let count = Double((height - 2) * (width - 2)), mean = sum / count
    return max(0, squares / count - mean * mean)
  }
}
