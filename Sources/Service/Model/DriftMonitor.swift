#if Service
import Evaluation
import Foundation
import Kernels
import Synchronization

/// The newest rows against the calibration: rows are noted as they are answered, and judged on a thread of its own.
final class DriftMonitor: Sendable {
  /// How the newest rows are, when somebody looked last.
  struct Verdict: Sendable {
    let rows: Int
    /// nil without a calibration, or where there are too few rows.
    let drift: Drift?
    /// Share of them above the threshold; nil without one.
    let shareAbove: Double?
  }

  private struct State {
    /// Rings.
    var scores: [Double] = []
    var x: [Float] = []
    var next = 0
    /// All that were ever noted.
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
  /// Fewer say nothing.
  static let leastRows = 50
  private static let mostValues = 1 << 24
  private static let pause: UInt32 = 2

  /// - elements: of a row. - window: rows that are looked at, fewer of very wide ones.
  init(_ calibration: Calibration?, elements: Int, window: Int, columnNames: @escaping @Sendable (Int) -> String) {
    self.calibration = calibration
    self.elements = elements
    self.columnNames = columnNames
    self.window = max(Self.leastRows, min(window, Self.mostValues / elements))
  }

  var verdict: Verdict { state.withLock { $0.verdict } }

  /// The newest scores, oldest first.
  func recent(_ count: Int) -> [Double] {
    state.withLock { state in
      let order =
        state.scores.count < window ? state.scores : Array(state.scores[state.next...] + state.scores[..<state.next])
      return Array(order.suffix(count))
    }
  }

  /// x (scores.count, elements), as the model sees it.
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

  /// Judges every few seconds, where rows have come.
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
