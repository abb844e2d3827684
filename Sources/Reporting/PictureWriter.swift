import Evaluation
import Foundation
import Kernels
import Persistence
import Training

/// What a run's model makes at the moment, as PNG in its directory: a folder for each kind. Rank 0 only.
package final class PictureWriter: TrainingObserver {
  private let path: String

  package init(runDirectory path: String) { self.path = path }

  package func observe(_ event: TrainingEvent) throws(Failure) {
    guard case .pictures(let report) = event, report.canBeDrawn else { return }
    let shape = report.shape, name = String(format: "epoch-%05d.png", report.epoch)
    try write(report.sampleGrid, "samples", name)
    try write(report.reconstructionGrid, "reconstructions", name)
    guard let space = report.space else { return }
    try write(PictureGrid(space.interpolations, shape, columns: LatentPaths.steps), "interpolations", name)
    try write(space.traversalGrid(shape), "traversals", name)
    if !space.manifold.isEmpty {
      try write(PictureGrid(space.manifold, shape, columns: LatentPaths.manifoldSide, gap: 0), "manifold", name)
    }
    try RunDirectory.make(path + "/latent")
    let map = ScatterPlot(principal: space.codes)
    try map.write(to: path + "/latent/" + name)
    try DurableFile.write(map.table, to: path + "/latent/map.csv")
  }

  private func write(_ grid: PictureGrid, _ folder: String, _ name: String) throws(Failure) {
    try RunDirectory.make("\(path)/\(folder)")
    try grid.write(to: "\(path)/\(folder)/\(name)")
  }
}

extension PictureReport {
  var canBeDrawn: Bool { [1, 3].contains(shape.channels) }

  var sampleGrid: PictureGrid { PictureGrid(samples, shape, columns: 8) }

  var reconstructionGrid: PictureGrid {
    .reconstructions(
      inputs: originals, reconstructions: reconstructions, count: originals.count / shape.elementCount,
      height: shape.height, width: shape.width, channels: shape.channels, columns: 8)
  }
}
