import Foundation
import Kernels

/// The columns of a table as a model sees them. They are learned from training rows and are saved with the model.
///
/// A number is one element of a sample. A column of k categories is a one-hot vector of k + 1 elements, the last of
/// which stands for any value that did not occur in training. A missing value is NaN in all elements of its column.
package struct TableSchema: Sendable, Equatable, Codable {
  /// A column of numbers or of categories.
  package struct Column: Sendable, Equatable, Codable {
    package var name: String
    /// The values of a categorical column, sorted by their bytes; nil for a column of numbers.
    package var categories: [String]?

    package init(name: String, categories: [String]? = nil) {
      self.name = name
      self.categories = categories
    }

    /// Number of elements that the column has in a sample.
    package var size: Int { categories.map { $0.count + 1 } ?? 1 }
  }

  package var columns: [Column]
  /// Number of rows that the schema was learned from.
  package var rows: Int
  /// Whether any training row lacks a value.
  package var hasMissing: Bool
  /// The column of labels, which is not part of a sample.
  package var label: String?
  /// The words that labels 0, 1, ... stand for; nil if the labels are integers themselves.
  package var labelNames: [String]?
  /// How rows in order of time form windows; nil if each row is a sample.
  package var windows: Windows?

  package init(columns: [Column], rows: Int, hasMissing: Bool, label: String? = nil, labelNames: [String]? = nil) {
    self.columns = columns
    self.rows = rows
    self.hasMissing = hasMissing
    self.label = label
    self.labelNames = labelNames
  }

  /// The bandwidth n^(-1 / (d + 4)), in standard deviations, of a Gaussian kernel density for n training rows with d
  /// columns (Scott, "Multivariate Density Estimation", 1992).
  package var kernelWidth: Double { pow(Double(rows), -1 / Double(sampleColumns.count + 4)) }

  /// The columns of a sample. For windows they are repeated for each row: "flow[t-1]", "heat[t-1]", "flow[t]",
  /// "heat[t]".
  package var sampleColumns: [Column] {
    guard let windows else { return columns }
    return (0..<windows.length).flatMap { row in
      let before = windows.length - 1 - row
      return columns.map { column in
        Column(name: "\(column.name)[t\(before == 0 ? "" : "-\(before)")]", categories: column.categories)
      }
    }
  }

  /// The same schema without windows.
  var ofRows: TableSchema {
    var schema = self
    schema.windows = nil
    return schema
  }

  /// Number of elements of each column of a sample.
  package var sizes: [Int] { sampleColumns.map(\.size) }

  /// Number of elements in a sample.
  package var width: Int { columns.reduce(0) { $0 + $1.size } * (windows?.length ?? 1) }

  /// Whether each element is a number, as opposed to a part of a category.
  package var isNumber: [Bool] {
    sampleColumns.flatMap { column in [Bool](repeating: column.categories == nil, count: column.size) }
  }

  /// A name for each element of a sample, such as "age", "colour=red" or "colour=(other)".
  package var elementNames: [String] {
    sampleColumns.flatMap { column -> [String] in
      guard let categories = column.categories else { return [column.name] }
      return (categories + ["(other)"]).map { "\(column.name)=\($0)" }
    }
  }

  /// A name for each element of one row.
  package var rowElementNames: [String] { ofRows.elementNames }

  /// Converts an unscaled sample, (width), to the cells of a table: numbers, the most likely category, or an empty cell
  /// for a missing value.
  package func cells(of row: some RandomAccessCollection<Float>) -> [String] {
    var at = row.startIndex
    return sampleColumns.map { column in
      let values = row[at..<row.index(at, offsetBy: column.size)]
      at = values.endIndex
      guard let first = values.first, !first.isNaN else { return "" }
      guard let categories = column.categories else { return "\(first)" }
      let best = values.enumerated().max { $0.element < $1.element }?.offset ?? 0
      return best < categories.count ? categories[best] : "(other)"
    }
  }

  /// A description of what is wrong with the schema; nil if it is valid. Used for schemas that were read from a file.
  package var fault: String? {
    guard rows > 0 else { return "learned on \(rows) rows" }
    guard !columns.isEmpty, columns.count <= TableSchema.mostColumns else { return "\(columns.count) columns" }
    guard Set(columns.map(\.name)).count == columns.count else { return "columns of one name" }
    let bad = columns.first { !(1...TableSchema.mostCategories).contains($0.categories?.count ?? 1) }
    if let bad { return "\(bad.categories?.count ?? 0) categories in \(bad.name)" }
    if let windows,
      !windows.isSound || (checkedProduct([windows.length, columns.count]) ?? .max) > TableSchema.mostColumns
    {
      return "windows of \(windows.length) rows, each \(windows.stride) on"
    }
    return nil
  }

  static let mostColumns = 1 << 20
  package static let mostCategories = 1_000
}

/// How the columns of a table are read.
package struct TableOptions: Sendable, Equatable {
  /// If true, words are categories and empty cells are missing values. Otherwise every cell must be a number.
  package var isMixed = false
  /// The column of labels; empty for none.
  package var label = ""
  /// Columns to leave out.
  package var dropped: [String] = []
  /// Columns of numbers to treat as categories.
  package var categorical: [String] = []
  /// The column with the time of each row, which is not part of a sample; empty for none.
  package var time = ""
  /// How rows in order of time form windows.
  package var windows: Windows?

  package init() {}
}
