/// The distribution of each column over the calibration rows: a limited number of its values, and for each of them the
/// number of rows below it and at or below it. If all distinct values are kept, the statistics computed from them are
/// exact.
package struct ColumnBaseline: Sendable, Equatable, Codable {
  package struct Column: Sendable, Equatable, Codable {
    /// Kept values, ascending and distinct. `below` and `upTo` count the rows below and at or below each value.
    package let values: [Float]
    package let below: [Int]
    package let upTo: [Int]
  }

  package let rows: Int
  package let columns: [Column]

  /// Limit on the values kept for all columns together, and the range of values kept for one column.
  private static let mostValues = 1 << 16
  private static let kept = 11...201
  /// Maximum number of columns. Wider samples have no baseline because it would be larger than the model.
  package static let mostColumns = mostValues / kept.lowerBound

  /// Computes the baseline of rows. x (rows, width)
  package init(_ x: [Float], width: Int) {
    precondition(x.count % width == 0, "\(x.count) values in rows of \(width)")
    let count = x.count / width
    let limit = max(Self.kept.lowerBound, min(Self.kept.upperBound, Self.mostValues / width))
    rows = count
    columns = (0..<width).map { column in
      Column(stride(from: column, to: x.count, by: width).map { Column.ordered(x[$0]) }.sorted(), limit: limit)
    }
  }
}

extension ColumnBaseline.Column {
  /// - sorted: All values of the column.
  init(_ sorted: [Float], limit: Int) {
    var all: [(value: Float, below: Int, upTo: Int)] = []
    for (place, value) in sorted.enumerated() {
      if all.last?.value == value { all[all.count - 1].upTo = place + 1 } else { all.append((value, place, place + 1)) }
    }
    if all.count > limit {
      // Keeps the values at evenly spaced ranks, including the first and the last.
      var ranks = (0..<limit).map { $0 * (sorted.count - 1) / (limit - 1) }[...]
      all = all.filter { entry in
        let isKept = ranks.first.map { $0 < entry.upTo } ?? false
        ranks = ranks.drop { $0 < entry.upTo }
        return isKept
      }
    }
    (values, below, upTo) = (all.map(\.value), all.map(\.below), all.map(\.upTo))
  }

  /// Maps a missing value below all other values.
  static func ordered(_ value: Float) -> Float { value.isNaN ? -.greatestFiniteMagnitude : value }

  /// Number of bins: one for each kept value, one below the first, one between each two, and one above the last.
  var bins: Int { 2 * values.count + 1 }

  func bin(of value: Float) -> Int {
    let value = Self.ordered(value)
    var low = 0, high = values.count
    while low < high {
      let middle = (low + high) / 2
      if values[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low < values.count && values[low] == value ? 2 * low + 1 : 2 * low
  }

  /// Compares new rows, counted in `bins`, with the `rows` calibration rows of this baseline.
  func drift(_ counts: [Int], from rows: Int) -> (test: KolmogorovSmirnov, stability: Double) {
    let total = counts.reduce(0, +)
    var sum = 0, largest = 0.0, upToNew: [Int] = []
    for place in values.indices {
      sum += counts[2 * place]
      largest = max(largest, abs(Double(below[place]) / Double(rows) - Double(sum) / Double(total)))
      sum += counts[2 * place + 1]
      largest = max(largest, abs(Double(upTo[place]) / Double(rows) - Double(sum) / Double(total)))
      upToNew.append(sum)
    }
    var edges: [Int] = []
    for k in 1..<PopulationStability.bins {
      let edge = upTo.firstIndex { $0 * PopulationStability.bins >= k * rows } ?? values.count - 1
      if edge != edges.last { edges.append(edge) }
    }
    func shares(_ upTo: [Int], _ total: Int) -> [Int] {
      let ends = edges.map { upTo[$0] } + [total]
      return zip(ends, [0] + ends).map { $0 - $1 }
    }
    return (
      KolmogorovSmirnov(statistic: largest, counts: (rows, total)),
      PopulationStability.index(shares(upTo, rows), shares(upToNew, total))
    )
  }
}

/// Counts new rows in the bins of a baseline.
package struct ColumnCounts: Sendable {
  package let baseline: ColumnBaseline
  private let starts: [Int]
  /// Counts of the bins of all columns, column after column.
  package private(set) var counts: [Int]

  package init(_ baseline: ColumnBaseline) {
    self.baseline = baseline
    var starts = [0]
    for column in baseline.columns { starts.append(starts[starts.count - 1] + column.bins) }
    self.starts = starts
    counts = [Int](repeating: 0, count: starts[starts.count - 1])
  }

  /// Counts one row in the model's scale. row (width)
  package mutating func add(_ row: UnsafePointer<Float>) {
    for (place, column) in baseline.columns.enumerated() { counts[starts[place] + column.bin(of: row[place])] += 1 }
  }

  /// Replaces the counts, for example by their sum over ranks.
  package mutating func replace(_ counts: [Int]) {
    precondition(counts.count == self.counts.count, "\(counts.count) counts for \(self.counts.count) bins")
    self.counts = counts
  }

  /// The drift of each column; empty if no rows were counted.
  package var drifts: [(test: KolmogorovSmirnov, stability: Double)] {
    baseline.columns.enumerated().compactMap { place, column in
      let own = Array(counts[starts[place]..<starts[place + 1]])
      return own.contains { $0 > 0 } ? column.drift(own, from: baseline.rows) : nil
    }
  }
}
