/// Train on synthetic rows, test on real ones: what a classifier that has seen no real row knows of real rows.
///
/// Esteban, Hyland and Raetsch, "Real-valued (medical) time series generation with recurrent conditional GANs", 2017.
package struct ClassifierCheck: Equatable, Sendable {
  package struct Class: Equatable, Sendable {
    package let tested: Int
    package let real: Int
    package let synthetic: Int
  }

  /// Real rows that it was tested on, which nothing else has used, and those of the commonest class.
  package let tested: Int
  package let commonest: Int
  /// How many were told rightly by the classifier trained on real rows, on synthetic rows, and on both.
  package let real: Int
  package let synthetic: Int
  package let both: Int
  /// Of each class: rows, and those told rightly by the first two.
  package let classes: [Class]
  /// Of the difference of the first two shares, from the rows on which they differ.
  package let standardError: Double

  /// So much lower, beyond chance, is far below.
  package static let mostLost = 0.1

  package init(real: LabelledRows, synthetic: LabelledRows, test: LabelledRows, classes count: Int, seed: UInt64) {
    func right(_ rows: LabelledRows) -> [Bool] {
      let classifier = RowClassifier(rows.x, labels: rows.classes, width: rows.width, classes: count, seed: seed)
      return zip(classifier.predict(test.x), test.classes).map { $0 == $1 }
    }
    let byReal = right(real), bySynthetic = right(synthetic)
    tested = test.count
    commonest = (0..<count).map { place in test.classes.count { $0 == place } }.max() ?? 0
    self.real = byReal.count { $0 }
    self.synthetic = bySynthetic.count { $0 }
    both = right(real + synthetic).count { $0 }
    classes = (0..<count).map { place in
      let rows = test.classes.indices.filter { test.classes[$0] == place }
      return Class(
        tested: rows.count, real: rows.count { byReal[$0] }, synthetic: rows.count { bySynthetic[$0] })
    }
    let n = Double(max(1, tested)), lost = Double(zip(byReal, bySynthetic).count { $0 && !$1 })
    let won = Double(zip(byReal, bySynthetic).count { !$0 && $1 })
    standardError = ((lost + won - (lost - won) * (lost - won) / n) / (n * n)).squareRoot()
  }

  package func share(_ right: Int) -> Double { Double(right) / Double(max(1, tested)) }
  package var lost: Double { share(real) - share(synthetic) }
  package var isFarBelow: Bool { lost - 2 * standardError > Self.mostLost }
}
