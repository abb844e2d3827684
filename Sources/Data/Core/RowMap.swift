/// The rows of a source that a data set shows, in order. It is computed without a table unless rows were chosen.
///
/// A split by a fraction makes v of n rows validation rows, evenly spaced: row i is a validation row if and only if
/// floor((i + 1) v / n) > floor(i v / n). Validation row k is therefore row ceil((k + 1) n / v) - 1, and training row j
/// is row floor(j n / (n - v)).
struct RowMap: Equatable {
  enum Part: Equatable {
    case all
    case training(validation: Int)
    case validation(Int)
  }

  /// The rows of the source that the parts divide among them.
  let rows: Range<Int>
  let part: Part
  /// The largest number of rows shown: the first rows, or evenly spaced ones if `isSpaced` is true.
  var limit = Int.max
  var isSpaced = false
  /// The source rows that `rows` indexes, in ascending order; nil where `rows` are source rows themselves.
  var chosen: [Int]?

  /// Number of rows shown.
  var count: Int { min(limit, partCount) }

  private var partCount: Int {
    switch part {
    case .all: rows.count
    case .training(let validation): rows.count - validation
    case .validation(let validation): validation
    }
  }

  /// The source row of sample `index`.
  func row(_ index: Int) -> Int {
    let place = place(isSpaced && limit < partCount ? quotient(index, partCount, limit).quotient : index)
    return chosen?[place] ?? place
  }

  private func place(_ index: Int) -> Int {
    switch part {
    case .all:
      rows.lowerBound + index
    case .training:
      rows.lowerBound + quotient(index, rows.count, partCount).quotient
    case .validation(let validation):
      rows.lowerBound + ceiling(quotient(index + 1, rows.count, validation)) - 1
    }
  }

  /// The smallest range of source rows that contains the rows of `indices`.
  func hull(_ indices: Range<Int>) -> Range<Int> {
    indices.isEmpty ? 0..<0 : row(indices.lowerBound)..<row(indices.upperBound - 1) + 1
  }

  private func ceiling(_ division: (quotient: Int, remainder: Int)) -> Int {
    division.quotient + (division.remainder == 0 ? 0 : 1)
  }

  /// Returns a b / divisor, exact even where the product needs more than 64 bits.
  private func quotient(_ a: Int, _ b: Int, _ divisor: Int) -> (quotient: Int, remainder: Int) {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    guard overflow else { return product.quotientAndRemainder(dividingBy: divisor) }
    return divisor.dividingFullWidth(a.multipliedFullWidth(by: b))
  }
}

/// Number of validation rows for a fraction of `n` rows: at least one, with at least one row left for training.
func validationCount(_ fraction: Double, of n: Int) -> Int {
  min(max(Int((fraction * Double(n)).rounded()), 1), n - 1)
}
