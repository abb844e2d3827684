import Foundation
import Settings

/// Curves drawn with braille characters, each of which is two dots wide and four dots high.
struct TextChart {
  struct Curve {
    /// Evenly spaced values. Values that are not finite are left out.
    let values: [Double]
    /// Whether the curve is dotted, so that two curves can be distinguished without colours.
    var isDotted = false
    /// A colour of the terminal's palette.
    var color = 6
  }

  let curves: [Curve]
  /// Width in characters, including the scale on the left.
  let width: Int
  let height: Int
  /// A range that the scale must include.
  var within: ClosedRange<Double>?
  var ends: (first: String, last: String) = ("", "")

  /// Returns `height` lines of the plot and one line with the ends of the horizontal axis; empty if no value is finite.
  func lines(isColored: Bool) -> [String] {
    guard let range, height > 0 else { return [] }
    let scale = [range.upperBound, range.lowerBound].map { "\($0, .significant(4))" }
    let margin = scale.map(\.count).max() ?? 0
    let columns = max(2, width - margin - 2)
    var canvas = DotCanvas(columns: columns, rows: height)
    for (number, curve) in curves.enumerated() { draw(curve, number, range, into: &canvas) }
    var lines = (0..<height).map { row in
      let label = row == 0 ? scale[0] : row == height - 1 ? scale[1] : ""
      let edge = row == 0 || row == height - 1 ? "┤" : "│"
      return String(repeating: " ", count: margin - label.count) + label + " " + edge
        + canvas.text(row, colors: isColored ? curves.map(\.color) : nil)
    }
    let gap = columns - ends.first.count - ends.last.count
    if gap > 0 {
      let axis = ends.first + String(repeating: " ", count: gap) + ends.last
      lines.append(String(repeating: " ", count: margin + 2) + axis)
    }
    return lines
  }

  private var range: ClosedRange<Double>? {
    let values = curves.flatMap(\.values).filter(\.isFinite)
    guard let low = values.min(), let high = values.max() else { return nil }
    let bottom = min(low, within?.lowerBound ?? low), top = max(high, within?.upperBound ?? high)
    // A constant curve is drawn in the middle.
    let room = top > bottom ? 0 : max(abs(top) * 0.01, 1e-12)
    return bottom - room...top + room
  }

  private func draw(_ curve: Curve, _ number: Int, _ range: ClosedRange<Double>, into canvas: inout DotCanvas) {
    let wide = 2 * canvas.columns, high = 4 * canvas.rows
    // The ends are halved before the subtraction, because the difference of two finite numbers may overflow.
    let extent = range.upperBound / 2 - range.lowerBound / 2
    var last: Int?
    for x in 0..<wide {
      guard let value = value(of: curve, at: x, of: wide) else {
        last = nil
        continue
      }
      let part = (value / 2 - range.lowerBound / 2) / extent
      let y = high - 1 - Int((max(0, min(1, part)) * Double(high - 1)).rounded())
      if !curve.isDotted {
        // The line begins next to the previous dot, so that slopes are as thin as horizontal lines.
        let from = last.map { $0 == y ? y : $0 + (y - $0).signum() } ?? y
        for between in min(from, y)...max(from, y) { canvas.set(x, between, number) }
      } else if x % 3 == 0 {
        canvas.set(x, y, number)
      }
      last = y
    }
  }

  /// Returns the mean of the values in a column of dots or, if there are fewer values than columns, an interpolated
  /// value.
  private func value(of curve: Curve, at x: Int, of wide: Int) -> Double? {
    let values = curve.values
    guard values.count > 1 else { return values.first.flatMap { $0.isFinite ? $0 : nil } }
    let step = Double(values.count - 1) / Double(wide - 1), place = Double(x) * step
    if step <= 1 {
      let left = min(Int(place), values.count - 2), part = place - Double(left)
      let ends = (values[left], values[left + 1])
      if part == 0 || !ends.1.isFinite { return ends.0.isFinite ? ends.0 : nil }
      return ends.0.isFinite ? ends.0 + (ends.1 - ends.0) * part : nil
    }
    let first = max(0, Int((place - step / 2).rounded(.up))), last = min(values.count - 1, Int(place + step / 2))
    let shown = values[first...max(first, last)].filter(\.isFinite)
    return shown.isEmpty ? nil : shown.reduce(0) { $0 + $1 / Double(shown.count) }
  }
}

/// Dots in braille characters (from U+2800).
private struct DotCanvas {
  let columns: Int
  let rows: Int
  private var cells: [UInt32]
  /// For each character, the curve that was drawn in it first and determines its colour.
  private var owners: [Int]
  private static let bits: [[UInt32]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]

  init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
    cells = Array(repeating: 0, count: columns * rows)
    owners = Array(repeating: -1, count: columns * rows)
  }

  mutating func set(_ x: Int, _ y: Int, _ curve: Int) {
    let cell = y / 4 * columns + x / 2
    cells[cell] |= DotCanvas.bits[y % 4][x % 2]
    if owners[cell] < 0 { owners[cell] = curve }
  }

  /// Returns a row of characters without trailing blanks.
  func text(_ row: Int, colors: [Int]?) -> String {
    let line = row * columns..<(row + 1) * columns
    guard let last = line.last(where: { cells[$0] != 0 }) else { return "" }
    var text = "", color = -1
    for cell in line.lowerBound...last {
      if let colors, owners[cell] >= 0, colors[owners[cell]] != color {
        color = colors[owners[cell]]
        text += "\u{1b}[3\(color)m"
      }
      text.unicodeScalars.append(cells[cell] == 0 ? " " : Unicode.Scalar(0x2800 + cells[cell]) ?? " ")
    }
    return color >= 0 ? text + "\u{1b}[0m" : text
  }
}
