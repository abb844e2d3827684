import Data
import Kernels
import Settings
import Training

extension PictureGrid {
  /// - images: (count, elements).
  package init(_ images: [Float], _ shape: SampleShape, columns: Int, gap: Int = 2) {
    self.init(
      images: images, count: images.count / shape.elementCount, height: shape.height, width: shape.width,
      channels: shape.channels, columns: columns, gap: gap)
  }

  /// Returns a grid with a row for each unit, labelled with the unit's KL.
  ///
  /// - images: (units, steps, elements).
  package static func traversals(
    _ images: [Float], _ shape: SampleShape, units: [Int], klPerUnit: [Double]
  ) -> PictureGrid {
    PictureGrid(images, shape, columns: images.count / shape.elementCount / max(1, units.count))
      .labelled(zip(units, klPerUnit).map { "z\($0) \($1, .fixed(2))" })
  }
}

extension LatentSpaceReport {
  func traversalGrid(_ shape: SampleShape) -> PictureGrid {
    .traversals(traversals, shape, units: units, klPerUnit: klPerUnit)
  }
}

extension ScatterPlot {
  /// Plots the codes of two units or, of more units, their two principal components.
  package init(principal codes: LatentCodes) {
    if codes.latent == 2 {
      self.init(
        points: codes.mu, labels: codes.labels, names: codes.labelNames, caption: "mu of \(codes.count) samples")
      return
    }
    let components = PrincipalComponents(codes.mu, dimensions: codes.latent, components: 2)
    let shares = components.shares.map { "\(Int((100 * $0).rounded())) %" }.joined(separator: " + ")
    self.init(
      points: components.points, labels: codes.labels, names: codes.labelNames,
      caption: "mu of \(codes.count) samples, PCA: \(shares) of the variance")
  }
}
