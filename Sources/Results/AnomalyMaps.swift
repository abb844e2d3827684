import Evaluation
import Foundation
import Reporting
import Kernels
import Training

/// Shows where anomalous pictures differ from their reconstructions: original, reconstruction and heat map.
package struct AnomalyMaps {
  private static let cells = 3
  private let report: ScoreReport

  package init(_ report: ScoreReport) { self.report = report }

  /// Writes a picture for each anomalous row, and one of all of them in descending order of score.
  package func write(to folder: String) throws(Failure) {
    try RunDirectory.make(folder)
    for row in report.top {
      try grid([row]).write(to: "\(folder)/row-\(String(format: "%08d", row.index)).png")
    }
    let labels = report.top.map { "\($0.index)" }
    try grid(report.top).labelled(labels).write(to: "\(folder)/anomalies.png")
  }

  private func grid(_ rows: [ExaminedRow]) -> PictureGrid {
    let shape = report.data.shape
    let images = rows.flatMap { row in
      coloured(row.x) + coloured(row.mean) + heat(row.contributions)
    }
    return PictureGrid(
      images: images, count: Self.cells * rows.count, height: shape.height, width: shape.width, channels: 3,
      columns: Self.cells)
  }

  /// Returns the image with three channels.
  private func coloured(_ x: [Float]) -> [Float] {
    report.data.shape.channels == 3 ? x : x.flatMap { [$0, $0, $0] }
  }

  /// Returns a heat map of the errors, summed over channels: from black over red and yellow to white for the largest
  /// error.
  private func heat(_ errors: [Float]) -> [Float] {
    let channels = report.data.shape.channels
    let pixels = stride(from: 0, to: errors.count, by: channels).map { errors[$0..<$0 + channels].reduce(0, +) }
    let largest = max(pixels.max() ?? 0, .leastNormalMagnitude)
    return pixels.flatMap { error in
      let heat = 3 * error / largest
      return [min(1, heat), max(0, min(1, heat - 1)), max(0, min(1, heat - 2))]
    }
  }
}
