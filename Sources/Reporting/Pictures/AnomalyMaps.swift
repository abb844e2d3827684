import Evaluation
import Foundation
import Kernels
import Training

/// Where anomalous pictures differ from what the model makes of them: original, reconstruction, heat map.
package struct AnomalyMaps {
  private static let cells = 3
  private let report: ScoreReport

  package init(_ report: ScoreReport) { self.report = report }

  /// A picture of each, and one of all of them, the highest score first.
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

  /// As red, green and blue.
  private func coloured(_ x: [Float]) -> [Float] {
    report.data.shape.channels == 3 ? x : x.flatMap { [$0, $0, $0] }
  }

  /// The error of a pixel, summed over its channels: black, red, yellow, and white for the largest of the picture.
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
