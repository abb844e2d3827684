import Foundation
import Persistence

/// The difference between new data and the calibration data.
package struct Drift: Sendable {
  package enum Level: String, Sendable, Comparable {
    case none, moderate, major

    package static func < (a: Level, b: Level) -> Bool { order(a) < order(b) }
    private static func order(_ level: Level) -> Int { [.none, .moderate, .major].firstIndex(of: level) ?? 0 }
  }

  /// The comparison of the score, or of one column, with the calibration.
  package struct Comparison: Sendable {
    /// Name of the score or of a column.
    package let name: String
    package let test: KolmogorovSmirnov
    package let stability: Double
    package let level: Level
  }

  /// Probability of reporting drift in data without drift. It is split evenly among the Kolmogorov-Smirnov tests of the
  /// score and the columns (Bonferroni correction).
  package static let chance = 0.001

  package let score: Comparison
  /// Columns in descending order of drift.
  package let columns: [Comparison]
  package var level: Level { max(score.level, columns.map(\.level).max() ?? .none) }

  /// - names: Returns the name of a column.
  package init(
    _ calibration: Calibration, _ rows: ScoredRows, names: (Int) -> String
  ) {
    let sorted = rows.scores.sorted(), found = rows.columns?.drifts ?? []
    let tests = 1 + found.count
    func comparison(_ name: String, _ test: KolmogorovSmirnov, _ stability: Double) -> Comparison {
      let test = test.thinned(by: calibration.overlap ?? 1)
      return Comparison(
        name: name, test: test, stability: stability, level: Drift.level(test, stability, tests: tests))
    }
    score = comparison(
      calibration.score.rawValue, KolmogorovSmirnov(sorted: calibration.scores, sorted),
      PopulationStability.index(sorted: calibration.scores, sorted))
    let all = found.enumerated().map { comparison(names($0), $1.test, $1.stability) }
    columns = all.sorted { ($0.level, $0.stability) > ($1.level, $1.stability) }
  }

  /// The level of drift: determined by the stability index, but `none` if the difference is not statistically
  /// significant. Both are needed because small samples have a large index without any drift, and in large samples
  /// every difference is significant.
  package static func level(_ test: KolmogorovSmirnov, _ stability: Double, tests: Int) -> Level {
    guard test.pValue < chance / Double(tests) else { return .none }
    return stability >= PopulationStability.major
      ? .major : stability >= PopulationStability.moderate ? .moderate : .none
  }

  package var drifted: [Comparison] { columns.filter { $0.level > .none } }

  package var json: JSON {
    func object(_ comparison: Comparison) -> JSON {
      .object([
        ("name", .text(comparison.name)), ("verdict", .text(comparison.level.rawValue)),
        ("ks", .number(comparison.test.statistic)), ("p_value", .number(comparison.test.pValue)),
        ("psi", .number(comparison.stability)),
      ])
    }
    return .object([
      ("verdict", .text(level.rawValue)), ("score", object(score)), ("columns_drifted", .integer(drifted.count)),
      ("columns", .array(columns.prefix(20).map(object))),
    ])
  }
}
