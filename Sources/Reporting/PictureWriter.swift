import Foundation
import Kernels
import Training

/// Sample grids and reconstruction strips of a run, as PNG in its directory. Rank 0 only.
package final class PictureWriter: TrainingObserver {
  private let path: String

  package init(runDirectory path: String) { self.path = path }

  package func observe(_ event: TrainingEvent) throws(Failure) {
    guard case .pictures(let report) = event, [1, 3].contains(report.shape.channels) else { return }
    let shape = report.shape, name = String(format: "epoch-%05d.png", report.epoch)
    try RunDirectory.make(path + "/samples")
    try PictureGrid(
      images: report.samples, count: report.samples.count / shape.elementCount, height: shape.height,
      width: shape.width,
      channels: shape.channels, columns: 8
    ).write(to: path + "/samples/" + name)
    try RunDirectory.make(path + "/reconstructions")
    try PictureGrid.reconstructions(
      inputs: report.originals, reconstructions: report.reconstructions,
      count: report.originals.count / shape.elementCount, height: shape.height, width: shape.width,
      channels: shape.channels, columns: 8
    ).write(to: path + "/reconstructions/" + name)
  }
}
