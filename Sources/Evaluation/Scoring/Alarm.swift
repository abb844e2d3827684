import Data

/// A stretch of a sequence whose windows are above the threshold: those that share rows, or follow one another.
package struct Alarm: Sendable, Equatable {
  /// Of the source.
  package private(set) var rows: Range<Int>
  /// The window of the highest score, and that score.
  package private(set) var peak: Int
  package private(set) var score: Double

  /// - rows: of each window, in order of time.
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

/// When things were in a sequence, and what was alarming.
package struct ScoredSequence: Sendable {
  /// Of each row of the source, as its table has it; nil where none says.
  package let times: [String]?
  package let alarms: [Alarm]

  /// A row in words: its time, or its number.
  package func time(ofRow row: Int) -> String {
    guard let times, times.indices.contains(row) else { return "\(row)" }
    return times[row]
  }
}
