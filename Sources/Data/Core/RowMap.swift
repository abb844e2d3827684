/// Which rows of a source a data set shows, in order; without a table unless rows were chosen.
///
/// A fraction split makes v of n rows validation rows, evenly spaced: row i is one iff
/// floor((i + 1) v / n) > floor(i v / n). So validation row k is ceil((k + 1) n / v) - 1, and training row j is
/// floor(j n / (n - v)).
struct RowMap: Equatable {
  enum Part: Equatable {
    case all
    case training(validation: Int)
    case validation(Int)
  }

  /// The rows of the source that are shared out.
  let rows: Range<Int>
  let part: Part
  /// At most so many are shown: the first, or evenly spaced.
  var limit = Int.max
  var isSpaced = false
  /// The source's rows that `rows` counts, ascending, where those are not simply its rows.
  var chosen: [Int]?

  /// Rows shown.
  var count: Int { min(limit, partCount) }

  private var partCount: Int {
    switch part {
    case .all: rows.count
    case .training(let validation): rows.count - validation
    case .validation(let validation): validation
    }
  }

  /// The source's row of data set index `index`.
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

  /// The smallest range of source rows that holds those of `indices`.
  func hull(_ indices: Range<Int>) -> Range<Int> {
    indices.isEmpty ? 0..<0 : row(indices.lowerBound)..<row(indices.upperBound - 1) + 1
  }

  private func ceiling(_ division: (quotient: Int, remainder: Int)) -> Int {
    division.quotient + (division.remainder == 0 ? 0 : 1)
  }

  /// a b / divisor, exact where the product needs more than 64 bits.
  private func quotient(_ a: Int, _ b: Int, _ divisor: Int) -> (quotient: Int, remainder: Int) {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    guard overflow else { return product.quotientAndRemainder(dividingBy: divisor) }
    return divisor.dividingFullWidth(a.multipliedFullWidth(by: b))
  }
}

/// Validation rows for fraction `fraction` of `n` rows: at least one, and at least one row is left to train on.
func validationCount(_ fraction: Double, of n: Int) -> Int {
  min(max(Int((fraction * Double(n)).rounded()), 1), n - 1)
}
