import Data
import Kernels

/// Rows as the model sees them, what is missing at the mean, and the class of each, counted from 0.
package struct LabelledRows: Equatable, Sendable {
  /// (count, width)
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

  /// At most so many, evenly spaced in the order of their classes.
  package func spaced(_ most: Int) -> LabelledRows {
    guard most < count else { return self }
    let order = classes.indices.sorted { (classes[$0], $0) < (classes[$1], $1) }
    return rows((0..<count).spaced(most).map { order[$0] })
  }

  package static func + (a: LabelledRows, b: LabelledRows) -> LabelledRows {
    LabelledRows(a.x + b.x, classes: a.classes + b.classes, width: a.width)
  }

  /// Every other row of each class, and the rest, by number.
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
