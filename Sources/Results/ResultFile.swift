import Data
import Evaluation
import Kernels
import Persistence
import Reporting

/// A file to be written, in the format of its suffix.
package struct ResultFile {
  package enum Format: String, CaseIterable { case png, npy, csv }
  package let path: String
  package let format: Format

  package init(_ path: String) throws(Failure) {
    let suffix = path.split(separator: ".").last.map(String.init) ?? ""
    guard let format = Format(rawValue: suffix), path.count > 4 else {
      throw Failure(
        .usage, "-o \(path.printable): this format is not supported",
        hint: "give a name that ends in .png, .npy or .csv")
    }
    (self.path, self.format) = (path, format)
  }

  /// Writes samples as a picture or as numbers in the units of the data.
  ///
  /// - x: the samples, (count, elements).
  /// - leading: the extents into which `count` is divided.
  package func write(
    _ x: [Float], _ leading: [Int], of model: TrainedModel, labels: [Int]? = nil, picture: () -> PictureGrid
  ) throws(Failure) {
    let shape = model.shape
    switch format {
    case .png:
      guard model.shape.canBeDrawn else {
        throw Failure(
          .usage, "\(path.printable): samples of \(shape) are not pictures",
          hint: "give a name that ends in .csv or .npy")
      }
      try picture().write(to: path)
    case .npy:
      let extents = shape.isImage ? [shape.height, shape.width, shape.channels] : [shape.elementCount]
      try NPYFile.write(model.unscaled(x), leading + (extents.last == 1 ? extents.dropLast() : extents), to: path)
      if let labels { try NPYFile.write(labels, to: path.dropLast(4) + "-labels.npy") }
    case .csv:
      if let schema = model.schema { return try writeRows(model.unscaled(x), schema) }
      let names = (0..<shape.elementCount).map { "x\($0)" }
      try writeTable(model.unscaled(x), columns: names, labels: labels?.map { "\($0)" })
    }
  }

  /// Writes values, (count, width), as the columns of the table that the model was trained on.
  private func writeRows(_ values: [Float], _ schema: TableSchema) throws(Failure) {
    let width = schema.width
    let rows = stride(from: 0, to: values.count, by: width).map { schema.cells(of: values[$0..<$0 + width]) }
    let lines = ([schema.sampleColumns.map(\.name)] + rows).map { $0.map(csvCell).joined(separator: ",") }
    try DurableFile.write(lines.joined(separator: "\n") + "\n", to: path)
  }

  /// Writes values, (count, columns), as CSV. Labels become the last column.
  package func writeTable(_ values: [Float], columns: [String], labels: [String]? = nil) throws(Failure) {
    var text = (columns + (labels == nil ? [] : ["label"])).joined(separator: ",") + "\n"
    for (row, first) in stride(from: 0, to: values.count, by: columns.count).enumerated() {
      text += values[first..<first + columns.count].map { "\($0)" }.joined(separator: ",")
      text += labels.map { "," + $0[row] } ?? ""
      text += "\n"
    }
    try DurableFile.write(text, to: path)
  }
}

/// Quotes a cell of a .csv file where necessary.
package func csvCell(_ cell: String) -> String {
  let isPlain =
    cell.allSatisfy { $0.isLetter || $0.isNumber || "-+._ ".contains($0) } && cell.first != " " && cell.last != " "
  return isPlain ? cell : "\"" + cell.replacing("\"", with: "\"\"") + "\""
}
