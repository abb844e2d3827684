import Kernels
import Persistence
import Training

/// An embedding for TensorBoard's projector: vectors, metadata and pictures. All files are rewritten each time.
struct Projector {
  private let directory: String

  init(_ directory: String) { self.directory = directory }

  func write(_ report: EmbeddingReport) throws(Failure) {
    let tensor = stride(from: 0, to: report.mu.count, by: report.units).map { first in
      report.mu[first..<first + report.units].map { "\($0)" }.joined(separator: "\t")
    }
    try DurableFile.write(lines(tensor), to: directory + "/mu.tsv")
    // A metadata file with a single column has no header.
    let header = report.columns.count > 1 ? [report.columns] : []
    let rows = (header + report.rows).map { row in row.map(\.printable).joined(separator: "\t") }
    try DurableFile.write(lines(rows), to: directory + "/metadata.tsv")
    if let sprite = Sprite(report) { try sprite.write(to: directory + "/sprite.png") }
    try DurableFile.write(configuration(report), to: directory + "/projector_config.pbtxt")
  }

  private func lines(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }

  private func configuration(_ report: EmbeddingReport) -> String {
    let sprite = """
        sprite {
          image_path: "sprite.png"
          single_image_dim: \(report.shape.width)
          single_image_dim: \(report.shape.height)
        }

      """
    return """
      embeddings {
        tensor_name: "mu"
        tensor_path: "mu.tsv"
        metadata_path: "metadata.tsv"
      \(report.pixels.isEmpty ? "" : sprite)}

      """
  }
}

/// Small pictures in rows, in a grid that is as square as possible.
private struct Sprite {
  private let report: EmbeddingReport
  private let columns: Int

  init?(_ report: EmbeddingReport) {
    guard !report.pixels.isEmpty else { return nil }
    self.report = report
    columns = Int(Double(report.count).squareRoot().rounded(.up))
  }

  func write(to path: String) throws(Failure) {
    let shape = report.shape, line = shape.width * shape.channels
    let rows = (report.count + columns - 1) / columns
    var pixels = [UInt8](repeating: 0, count: rows * columns * shape.elementCount)
    for image in 0..<report.count {
      for y in 0..<shape.height {
        let from = image * shape.elementCount + y * line
        let to = ((image / columns * shape.height + y) * columns + image % columns) * line
        for i in 0..<line { pixels[to + i] = report.pixels[from + i] }
      }
    }
    try PNG.write(
      pixels: pixels, width: columns * shape.width, height: rows * shape.height, channels: shape.channels, to: path)
  }
}
