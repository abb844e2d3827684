/// Trains a classifier on synthetic rows and tests it on real ones, compared with a classifier trained on real rows.
///
/// Esteban, Hyland and Raetsch, "Real-valued (medical) time series generation with recurrent conditional GANs", 2017.
package struct ClassifierTest: Equatable, Sendable {
  package struct Class: Equatable, Sendable {
    package let tested: Int
    package let real: Int
    package let synthetic: Int
  }

  /// Number of real test rows, which are not used for anything else. `commonest` is the number in the most frequent
  /// class.
  package let tested: Int
  package let commonest: Int
  /// Number of test rows classified correctly after training on real rows; `synthetic` and `both` refer to training on
  /// synthetic rows and on both together.
  package let real: Int
  package let synthetic: Int
  package let both: Int
  /// Counts for each class: the test rows, and those classified correctly after training on real and on synthetic rows.
  package let classes: [Class]
  /// Standard error of the difference between the accuracies for real and for synthetic rows, based on the rows that
  /// only one of the two classifiers gets right.
  package let standardError: Double

  /// Loss of accuracy that counts as large, after subtracting two standard errors.
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

  /// A number of test rows as a share of all test rows.
  package func share(_ right: Int) -> Double { Double(right) / Double(max(1, tested)) }
  package var lost: Double { share(real) - share(synthetic) }
  package var isFarBelow: Bool { lost - 2 * standardError > Self.mostLost }
}
