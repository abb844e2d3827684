import Foundation
import Kernels
import Persistence
import Training

/// Writes pictures of what the model generates during training to the run directory, in a folder for each kind. Rank 0
/// only.
package final class PictureWriter: TrainingObserver {
  private let path: String
  private let tensorBoard: TensorBoardWriter?

  /// - tensorBoard: also receives some of the pictures.
  package init(runDirectory path: String, tensorBoard: TensorBoardWriter? = nil) {
    (self.path, self.tensorBoard) = (path, tensorBoard)
  }

  /// Writes each kind of picture independently. The first failure is thrown after all have been tried.
  package func observe(_ event: TrainingEvent) throws(Failure) {
    guard case .pictures(let report) = event else { return }
    let name = String(format: "epoch-%05d.png", report.epoch)
    var failure: Failure?
    for (folder, grid) in report.grids where !grid.isEmpty {
      do throws(Failure) { try write(grid, folder, name, step: report.step) } catch { failure = failure ?? error }
    }
    if let codes = report.space?.codes {
      do throws(Failure) { try write(ScatterPlot(principal: codes), name) } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  private func write(_ grid: PictureGrid, _ folder: String, _ name: String, step: Int) throws(Failure) {
    let picture = try grid.encoded()
    try RunDirectory.make("\(path)/\(folder)")
    try DurableFile.write(picture.png, to: "\(path)/\(folder)/\(name)")
    if ["samples", "reconstructions"].contains(folder) { try tensorBoard?.show(picture, folder, step: step) }
  }

  private func write(_ map: ScatterPlot, _ name: String) throws(Failure) {
    try RunDirectory.make(path + "/latent")
    try map.write(to: path + "/latent/" + name)
    try DurableFile.write(map.table, to: path + "/latent/map.csv")
  }
}

extension PictureReport {
  /// The grids with the names of their folders.
  fileprivate var grids: [(folder: String, grid: PictureGrid)] {
    let reconstructions = PictureGrid.reconstructions(
      inputs: originals, reconstructions: reconstructions, count: originals.count / shape.elementCount,
      height: shape.height, width: shape.width, channels: shape.channels, columns: 8)
    let samples = PictureGrid(samples, shape, columns: sampleColumns).labelled(sampleNames)
    let grids = [("samples", samples), ("reconstructions", reconstructions)]
    guard let space else { return grids }
    return grids + [
      ("interpolations", PictureGrid(space.interpolations, shape, columns: LatentPaths.steps)),
      ("traversals", space.traversalGrid(shape)),
      ("manifold", PictureGrid(space.manifold, shape, columns: LatentPaths.manifoldSide, gap: 0)),
    ]
  }
}
