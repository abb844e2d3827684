#if Service
import Evaluation
import Foundation
import Kernels
import Synchronization

/// Compares the most recent rows with the calibration. Request handlers record rows, and a separate thread judges them.
final class DriftMonitor: Sendable {
  /// The result of the latest comparison.
  struct Verdict: Sendable {
    let rows: Int
    /// The measured drift, or nil without a calibration or with too few rows.
    let drift: Drift?
    /// Share of the rows with a score above the threshold, or nil without a calibration.
    let shareAbove: Double?
  }

  private struct State {
    /// Ring buffers; `next` is the position that is overwritten next.
    var scores: [Double] = []
    var x: [Float] = []
    var next = 0
    /// Number of rows recorded since the start.
    var noted = 0
    var verdict = Verdict(rows: 0, drift: nil, shareAbove: nil)
    var judged = 0
    var isOver = false
  }

  private let state = Mutex(State())
  private let calibration: Calibration?
  private let columnNames: @Sendable (Int) -> String
  private let elements: Int
  let window: Int
  /// Minimum number of rows for a comparison.
  static let leastRows = 50
  private static let mostValues = 1 << 24
  private static let pause: UInt32 = 2

  /// - elements: Number of values in a row.
  /// - window: Number of recent rows to compare. Very wide rows reduce it.
  init(_ calibration: Calibration?, elements: Int, window: Int, columnNames: @escaping @Sendable (Int) -> String) {
    self.calibration = calibration
    self.elements = elements
    self.columnNames = columnNames
    self.window = max(Self.leastRows, min(window, Self.mostValues / elements))
  }

  var verdict: Verdict { state.withLock { $0.verdict } }

  /// The most recent scores, oldest first.
  func recent(_ count: Int) -> [Double] {
    state.withLock { state in
      let order =
        state.scores.count < window ? state.scores : Array(state.scores[state.next...] + state.scores[..<state.next])
      return Array(order.suffix(count))
    }
  }

  /// Records rows and their scores. x (scores.count, elements), in the model's scale.
  func note(_ scores: [Double], _ x: [Float]) {
    let keepsColumns = calibration?.columns != nil
    state.withLock { state in
      for (row, score) in scores.enumerated() {
        let values = x[row * elements..<(row + 1) * elements]
        if state.scores.count < window {
          state.scores.append(score)
          if keepsColumns { state.x += values }
        } else {
          state.scores[state.next] = score
          if keepsColumns { state.x.replaceSubrange(state.next * elements..<(state.next + 1) * elements, with: values) }
        }
        state.next = (state.next + 1) % window
      }
      state.noted += scores.count
    }
  }

  /// Starts the thread that compares the recent rows every two seconds when new rows have arrived.
  func start() throws(Failure) {
    try Background.start("drift") { [self] in
      while !state.withLock({ $0.isOver }) {
        judge()
        sleep(Self.pause)
      }
    }
  }

  func end() { state.withLock { $0.isOver = true } }

  func judge() {
    let (scores, x, noted, judged) = state.withLock { ($0.scores, $0.x, $0.noted, $0.judged) }
    guard noted > judged else { return }
    var drift: Drift?
    if let calibration, scores.count >= Self.leastRows {
      var columns = calibration.columns.map(ColumnCounts.init)
      x.withUnsafeBufferPointer { x in
        guard columns != nil, let base = x.baseAddress else { return }
        for row in 0..<scores.count { columns?.add(base + row * elements) }
      }
      drift = Drift(calibration, ScoredRows(scores: scores, columns: columns), names: columnNames)
    }
    let share = calibration.map { Double(scores.count(where: $0.isAnomalous)) / Double(scores.count) }
    let verdict = Verdict(rows: scores.count, drift: drift, shareAbove: share)
    state.withLock { state in
      state.verdict = verdict
      state.judged = noted
    }
  }
}
#endif
