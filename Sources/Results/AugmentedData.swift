import Data
import Evaluation
import Foundation
import Kernels
import Persistence
import Reporting
import Training

/// The destination of synthetic rows, in a format that `--data` accepts.
package struct AugmentedData {
  package enum Format { case npz, csv, folder }

  package let path: String
  private let format: Format
  private let model: TrainedModel

  package init(_ path: String, of model: TrainedModel) throws(Failure) {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    let name = URL(fileURLWithPath: path).lastPathComponent
    (self.path, self.model) = (path, model)
    format = name.hasSuffix(".npz") ? .npz : name.hasSuffix(".csv") ? .csv : .folder
    if format == .npz, let words = model.schema?.columns.first(where: { $0.categories != nil }) {
      throw Failure(
        .usage,
        "-o \(path.printable): column '\(words.name.printable)' has words, which an array of numbers does not hold",
        hint: "use a file name that ends in .csv")
    }
    guard format == .folder else { return }
    guard !name.contains("."), model.shape.canBeDrawn else {
      throw Failure(
        .usage,
        "-o \(path.printable): "
          + (name.contains(".") ? "this format is not supported" : "samples of \(model.shape) are not pictures"),
        hint: "give NAME.npz, NAME.csv, or a folder for pictures")
    }
    let files = try? FileManager.default.contentsOfDirectory(atPath: path)
    guard files?.isEmpty ?? !FileManager.default.fileExists(atPath: path) else {
      throw Failure(.cannotCreate, "\(path.printable) exists already and is not empty", hint: "choose another folder")
    }
  }

  /// The path of the report, which is next to the data.
  package var page: String {
    let stem = format == .folder ? path : String(path.dropLast(4))
    return stem + "-report.html"
  }

  package func write(_ report: AugmentationReport) throws(Failure) {
    switch format {
    case .npz: try writeArrays(report)
    case .csv: try writeTable(report)
    case .folder: try writePictures(report)
    }
  }

  /// The rows in the units of the data, (count, elements).
  private func stored(_ report: AugmentationReport) -> [Float] { report.real.grid.stored(report.rows.x) }

  private func writeArrays(_ report: AugmentationReport) throws(Failure) {
    var values = stored(report), extents = [report.rows.count, model.shape.elementCount]
    if let schema = model.schema {
      values = Self.cells(values, schema).flatMap { $0.map { Float($0) ?? .nan } }
      extents[1] = schema.sampleColumns.count
    } else if model.shape.isImage {
      let sizes = [model.shape.height, model.shape.width] + (model.shape.channels > 1 ? [model.shape.channels] : [])
      extents = [report.rows.count] + sizes
    }
    var file = NPZFile()
    if report.data.element == .u8 {
      file.add("X", "|u1", extents, values.map { UInt8(max(0, min(255, $0.rounded()))) })
    } else {
      file.add("X", values, extents)
    }
    if !report.real.classes.isEmpty { file.add("y", report.rows.classes.map { report.real.classes[$0].label }) }
    try file.write(to: path)
  }

  private static func cells(_ values: [Float], _ schema: TableSchema) -> [[String]] {
    let width = schema.width
    return stride(from: 0, to: values.count, by: width).map { schema.cells(of: values[$0..<$0 + width]) }
  }

  /// Writes the columns of the training table, followed by the labels.
  private func writeTable(_ report: AugmentationReport) throws(Failure) {
    let values = stored(report), width = model.shape.elementCount
    var names = model.schema?.sampleColumns.map(\.name) ?? report.data.columnNames ?? (0..<width).map { "x\($0)" }
    var rows =
      model.schema.map { Self.cells(values, $0) }
      ?? stride(from: 0, to: values.count, by: width).map { values[$0..<$0 + width].map { "\($0)" } }
    // Integers are written without a decimal point. Words stay as they are.
    let isNumber = model.schema?.sampleColumns.map { $0.categories == nil } ?? names.map { _ in true }
    rows = rows.map { zip($0, isNumber).map { $1 && $0.hasSuffix(".0") ? String($0.dropLast(2)) : $0 } }
    // Columns that the configuration drops or names as the time are written empty, so that the configuration stays
    // valid.
    for other in model.configuration.data.drop + [model.configuration.data.time] where !other.isEmpty {
      names.append(other)
      for row in rows.indices { rows[row].append("") }
    }
    if !report.real.classes.isEmpty {
      names.append(model.schema?.label ?? "label")
      for (row, place) in report.rows.classes.enumerated() { rows[row].append(report.real.classes[place].name) }
    }
    try DurableFile.write(([names] + rows).lazy.map { $0.map(csvCell).joined(separator: ",") + "\n" }, to: path)
  }

  /// Writes a folder of pictures for each class.
  private func writePictures(_ report: AugmentationReport) throws(Failure) {
    let shape = model.shape, size = shape.elementCount
    // Byte data are written as stored. Other pictures have values between 0 and 1.
    let pixels =
      report.data.element == .u8 ? stored(report) : report.rows.x.map { $0 * 255 }
    try RunDirectory.make(path)
    for (row, place) in report.rows.classes.enumerated() {
      let folder = report.real.classes.isEmpty ? path : "\(path)/\(Self.folder(report.name(place)))"
      try RunDirectory.make(folder)
      let bytes = pixels[row * size..<(row + 1) * size].map { UInt8(max(0, min(255, $0.rounded()))) }
      try PNG.write(
        pixels: bytes, width: shape.width, height: shape.height, channels: shape.channels,
        to: "\(folder)/\(String(format: "%06d", row)).png")
    }
  }

  private static func folder(_ name: String) -> String {
    let plain = String(name.map { "/\0".contains($0) ? "_" : $0 })
    return plain.isEmpty || plain.hasPrefix(".") ? "_" + plain : plain
  }
}
