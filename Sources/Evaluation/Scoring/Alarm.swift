import Data

/// A part of a sequence in which windows score above the threshold. Such windows belong to one alarm if they overlap or
/// adjoin.
package struct Alarm: Sendable, Equatable {
  /// Rows of the source that the windows cover.
  package private(set) var rows: Range<Int>
  /// Index of the window with the highest score; `score` is that score.
  package private(set) var peak: Int
  package private(set) var score: Double

  /// Finds the alarms in a sequence.
  /// - scores: Scores of the windows in order of time.
  /// - rows: Returns the source rows of a window.
  package static func find(_ scores: [Double], above threshold: Double, rows: (Int) -> Range<Int>) -> [Alarm] {
    scores.indices.reduce(into: []) { alarms, index in
      guard scores[index] > threshold else { return }
      let span = rows(index)
      guard let last = alarms.last, span.lowerBound <= last.rows.upperBound else {
        return alarms.append(Alarm(rows: span, peak: index, score: scores[index]))
      }
      alarms[alarms.count - 1].rows = last.rows.lowerBound..<span.upperBound
      if scores[index] > last.score {
        (alarms[alarms.count - 1].peak, alarms[alarms.count - 1].score) = (index, scores[index])
      }
    }
  }
}

/// The alarms of a sequence and the times of its rows.
package struct ScoredSequence: Sendable {
  /// Time of each source row as the table has it; nil if the table has no times.
  package let times: [String]?
  package let alarms: [Alarm]

  /// Describes a row by its time, or by its number when there is no time.
  package func time(ofRow row: Int) -> String {
    guard let times, times.indices.contains(row) else { return "\(row)" }
    return times[row]
  }
}
