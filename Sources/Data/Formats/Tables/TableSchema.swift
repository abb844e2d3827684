import Foundation
import Kernels

/// The columns of a table as a model sees them, learned on training rows and kept with the model.
///
/// A number is one element of a sample. A column of k categories is k + 1 elements, of which one is 1: the last stands
/// for any value that training never saw. A missing value is NaN in all elements of its column.
package struct TableSchema: Sendable, Equatable, Codable {
  package struct Column: Sendable, Equatable, Codable {
    package var name: String
    /// Values of a categorical column in the order of their bytes; nil for one of numbers.
    package var categories: [String]?

    package init(name: String, categories: [String]? = nil) {
      self.name = name
      self.categories = categories
    }

    /// Elements of a sample.
    package var size: Int { categories.map { $0.count + 1 } ?? 1 }
  }

  package var columns: [Column]
  /// Rows that it was learned on.
  package var rows: Int
  /// Whether any training row lacks a value.
  package var hasMissing: Bool
  /// The column of labels, which is no part of a sample.
  package var label: String?
  /// Labels that are words, by their number; nil where labels are whole numbers themselves.
  package var labelNames: [String]?
  /// How rows in order of time make samples; nil where every row is one by itself.
  package var windows: Windows?

  package init(columns: [Column], rows: Int, hasMissing: Bool, label: String? = nil, labelNames: [String]? = nil) {
    self.columns = columns
    self.rows = rows
    self.hasMissing = hasMissing
    self.label = label
    self.labelNames = labelNames
  }

  /// n^(-1 / (d + 4)) for n training rows of d columns: the width, in standard deviations, that a Gaussian kernel
  /// density has by Scott, "Multivariate density estimation", 1992.
  package var kernelWidth: Double { pow(Double(rows), -1 / Double(sampleColumns.count + 4)) }

  /// The columns of a sample, which are those of each row of a window: "flow[t-1]", "heat[t-1]", "flow[t]", "heat[t]".
  package var sampleColumns: [Column] {
    guard let windows else { return columns }
    return (0..<windows.length).flatMap { row in
      let before = windows.length - 1 - row
      return columns.map { column in
        Column(name: "\(column.name)[t\(before == 0 ? "" : "-\(before)")]", categories: column.categories)
      }
    }
  }

  /// The same without windows.
  var ofRows: TableSchema {
    var schema = self
    schema.windows = nil
    return schema
  }

  /// Elements of each column of a sample.
  package var sizes: [Int] { sampleColumns.map(\.size) }

  /// Elements of a sample.
  package var width: Int { columns.reduce(0) { $0 + $1.size } * (windows?.length ?? 1) }

  /// Whether each element is a number, and not part of a category.
  package var isNumber: [Bool] {
    sampleColumns.flatMap { column in [Bool](repeating: column.categories == nil, count: column.size) }
  }

  /// A name for each element: "age", "colour=red", "colour=(other)".
  package var elementNames: [String] {
    sampleColumns.flatMap { column -> [String] in
      guard let categories = column.categories else { return [column.name] }
      return (categories + ["(other)"]).map { "\(column.name)=\($0)" }
    }
  }

  /// The same of one row.
  package var rowElementNames: [String] { ofRows.elementNames }

  /// A sample's values as cells of a table: numbers, the likeliest category, or nothing. row (width), not scaled.
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

  /// What no training leaves, in words; nil for a sound one. For files that may hold anything.
  package var fault: String? {
    guard rows > 0 else { return "learned on \(rows) rows" }
    guard !columns.isEmpty, columns.count <= TableSchema.mostColumns else { return "\(columns.count) columns" }
    guard Set(columns.map(\.name)).count == columns.count else { return "columns of one name" }
    let bad = columns.first { !(1...TableSchema.mostCategories).contains($0.categories?.count ?? 1) }
    if let bad { return "\(bad.categories?.count ?? 0) categories in \(bad.name)" }
    if let windows, !windows.isSound || (product([windows.length, columns.count]) ?? .max) > TableSchema.mostColumns {
      return "windows of \(windows.length) rows, each \(windows.stride) on"
    }
    return nil
  }

  static let mostColumns = 1 << 20
  package static let mostCategories = 1_000
}

/// How a table's columns are read.
package struct TableOptions: Sendable, Equatable {
  /// Words are categories and empty cells are missing values; otherwise every cell must be a number.
  package var isMixed = false
  /// The column of labels; empty for none.
  package var label = ""
  /// Columns that are left out.
  package var dropped: [String] = []
  /// Columns of numbers that are names of categories.
  package var categorical: [String] = []
  /// The column that says when each row was, which no sample holds; empty for none.
  package var time = ""
  /// For rows in order of time.
  package var windows: Windows?

  package init() {}
}
