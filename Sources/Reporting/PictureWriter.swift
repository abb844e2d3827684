import Foundation
import Kernels
import Training

/// Sample grids and reconstruction strips of a run, as PNG in its directory. Rank 0 only.
package final class PictureWriter: TrainingObserver {
  private let path: String

  package init(runDirectory path: String) { self.path = path }

  package func observe(_ event: TrainingEvent) throws(Failure) {
    guard case .pictures(let report) = event, report.canBeDrawn else { return }
    let name = String(format: "epoch-%05d.png", report.epoch)
    try RunDirectory.make(path + "/samples")
    try report.sampleGrid.write(to: path + "/samples/" + name)
    try RunDirectory.make(path + "/reconstructions")
    try report.reconstructionGrid.write(to: path + "/reconstructions/" + name)
  }
}

extension PictureReport {
  var canBeDrawn: Bool { [1, 3].contains(shape.channels) }

  var sampleGrid: PictureGrid {
    PictureGrid(
      images: samples, count: samples.count / shape.elementCount, height: shape.height, width: shape.width,
      channels: shape.channels, columns: 8)
  }

  var reconstructionGrid: PictureGrid {
    .reconstructions(
      inputs: originals, reconstructions: reconstructions, count: originals.count / shape.elementCount,
      height: shape.height, width: shape.width, channels: shape.channels, columns: 8)
  }
}
