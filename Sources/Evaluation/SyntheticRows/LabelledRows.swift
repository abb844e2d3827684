import Data
import Kernels

/// Rows in the model's scale with their classes, counted from 0. Missing values are replaced by the mean.
package struct LabelledRows: Equatable, Sendable {
  /// Values of the rows. (count, width)
  package var x: [Float]
  package var classes: [Int]
  package let width: Int
  package var count: Int { classes.count }

  package init(_ x: [Float], classes: [Int], width: Int) {
    precondition(x.count == classes.count * width, "\(x.count) values of \(classes.count) rows of \(width)")
    (self.x, self.classes, self.width) = (x, classes, width)
  }

  package func rows(_ chosen: [Int]) -> LabelledRows {
    LabelledRows(
      chosen.flatMap { x[$0 * width..<($0 + 1) * width] }, classes: chosen.map { classes[$0] }, width: width)
  }

  package func of(class place: Int) -> LabelledRows { rows(classes.indices.filter { classes[$0] == place }) }

  /// At most `most` rows, evenly spaced after sorting by class.
  package func spaced(_ most: Int) -> LabelledRows {
    guard most < count else { return self }
    let order = classes.indices.sorted { (classes[$0], $0) < (classes[$1], $1) }
    return rows((0..<count).spaced(most).map { order[$0] })
  }

  package static func + (a: LabelledRows, b: LabelledRows) -> LabelledRows {
    LabelledRows(a.x + b.x, classes: a.classes + b.classes, width: a.width)
  }

  /// The indices of every second row of each class, and the indices of the other rows.
  package var halves: (one: [Int], other: [Int]) {
    var seen: [Int: Int] = [:], one: [Int] = [], other: [Int] = []
    for (row, place) in classes.enumerated() {
      let number = seen[place, default: 0]
      seen[place] = number + 1
      if number % 2 == 0 { one.append(row) } else { other.append(row) }
    }
    return (one, other)
  }
}
