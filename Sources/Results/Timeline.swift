import Evaluation
import Foundation
import Reporting
import Kernels

/// A sequence over time: a panel for each column, a panel for the scores of the windows, and alarms across all panels.
package struct Timeline {
  private static let width = 1_400
  private static let panel = 130
  private static let gap = 34
  private static let left = 24
  private static let mostColumns = 8
  private static let mostTicks = 6
  private static let ink = Colour.grey(60)
  private static let line = Colour(red: 31, green: 119, blue: 180)
  private static let band = Colour(red: 255, green: 214, blue: 209)
  private static let limit = Colour(red: 214, green: 39, blue: 40)

  private let report: ScoreReport
  private let sequence: ScoredSequence
  /// The rows of the source from the first to the last that the windows cover.
  private let rows: Range<Int>
  private let values: [Float]
  private let names: [String]

  package init(_ report: ScoreReport) throws(Failure) {
    guard let sequence = report.sequence, let schema = report.data.schema else {
      preconditionFailure("Timeline: no sequence")
    }
    (self.report, self.sequence) = (report, sequence)
    let data = report.data
    rows = data.sourceRows(of: 0).lowerBound..<data.sourceRows(of: data.count - 1).upperBound
    values = try data.sequence()
    names = schema.rowElementNames
  }

  package func write(to path: String) throws(Failure) {
    let shown = min(names.count, Self.mostColumns)
    var canvas = Canvas(
      width: Self.width, height: (shown + 1) * (Self.panel + Self.gap) + Self.gap, background: .grey(255))
    for column in 0..<shown {
      let top = Self.gap + column * (Self.panel + Self.gap)
      alarms(&canvas, top)
      let points = rows.indices.map { row in
        (row: row, value: Double(values[(row - rows.lowerBound) * names.count + column]))
      }
      let hidden = column == shown - 1 && names.count > shown ? ", and \(names.count - shown) columns not shown" : ""
      draw(&canvas, top, names[column].printable + hidden, points)
    }
    scores(&canvas, Self.gap + shown * (Self.panel + Self.gap))
    try canvas.write(to: path)
  }

  /// Draws the score of each window at its last row, the time at which it is known. The scale is logarithmic in the
  /// excess over the lowest score, in units of the threshold's excess, so that both normal scores and alarms of any
  /// size are visible.
  private func scores(_ canvas: inout Canvas, _ top: Int) {
    alarms(&canvas, top)
    let threshold = report.calibration.threshold.value
    let lowest = report.scores.filter(\.isFinite).min() ?? 0
    let unit = threshold > lowest ? threshold - lowest : 1
    func level(_ score: Double) -> Double { log1p(max(0, score - lowest) / unit) }
    let points = report.scores.enumerated().map { index, score in
      (row: report.data.sourceRows(of: index).upperBound - 1, value: level(score))
    }
    let title = "\(report.calibration.score.rawValue), logarithmic; threshold in red, \(sequence.alarms.count) alarms"
    draw(&canvas, top, title, points, across: level(threshold))
    let widest = max(1, Font.width(sequence.time(ofRow: rows.upperBound - 1).printable, scale: 2))
    let ticks = max(2, min(Self.mostTicks, (Self.width - 2 * Self.left) / (widest * 3 / 2 + 20)))
    for tick in 0..<ticks {
      let row = rows.lowerBound + (rows.count - 1) * tick / (ticks - 1)
      let text = sequence.time(ofRow: row).printable
      let middle = place(row) - Font.width(text, scale: 2) / 2
      let x = max(Self.left, min(Self.width - Self.left - Font.width(text, scale: 2), middle))
      canvas.text(text, x: x, y: top + Self.panel + 10, Self.ink)
    }
  }

  private func alarms(_ canvas: inout Canvas, _ top: Int) {
    for alarm in sequence.alarms {
      let first = place(alarm.rows.lowerBound), last = place(alarm.rows.upperBound - 1)
      canvas.fill(x: first, y: top, width: max(2, last - first + 1), height: Self.panel, Self.band)
    }
  }

  /// Returns the horizontal position of a row.
  private func place(_ row: Int) -> Int {
    Self.left + (row - rows.lowerBound) * (Self.width - 2 * Self.left) / max(1, rows.count - 1)
  }

  /// Draws each column of pixels from the lowest to the highest of its points, connected to the previous column.
  private func draw(
    _ canvas: inout Canvas, _ top: Int, _ title: String, _ points: [(row: Int, value: Double)],
    across threshold: Double? = nil
  ) {
    canvas.text(title, x: Self.left, y: top - 20, Self.ink)
    let finite = points.map(\.value).filter(\.isFinite) + [threshold].compactMap { $0 }
    guard let low = finite.min(), let high = finite.max() else { return }
    let span = high > low ? high - low : 1
    func level(_ value: Double) -> Int {
      top + Self.panel - 1 - Int((value - low) / span * Double(Self.panel - 1))
    }
    var before: (x: Int, y: Int)?
    for point in points {
      guard point.value.isFinite else {
        before = nil
        continue
      }
      let x = place(point.row), y = level(point.value)
      guard let last = before else {
        canvas.fill(x: x, y: y, width: 1, height: 1, Self.line)
        before = (x, y)
        continue
      }
      for step in last.x...max(last.x, x) {
        let share = x > last.x ? Double(step - last.x) / Double(x - last.x) : 1
        let next = x > last.x ? Double(step + 1 - last.x) / Double(x - last.x) : 1
        let ends = [share, min(1, next)].map { last.y + Int(Double(y - last.y) * $0) } + (x == last.x ? [last.y] : [])
        let upper = ends.min() ?? y, lower = ends.max() ?? y
        canvas.fill(x: step, y: upper, width: 1, height: lower - upper + 1, Self.line)
      }
      before = (x, y)
    }
    if let threshold {
      canvas.fill(x: Self.left, y: level(threshold), width: Self.width - 2 * Self.left, height: 1, Self.limit)
    }
  }
}
