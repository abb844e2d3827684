import Settings

/// Lines over a common axis, such as nats over epochs. Values that are not finite leave a gap. Long series are thinned
/// to the resolution of a screen, and peaks are kept.
package struct LineChart {
  package struct Series {
    var name: String
    /// Colour and dash pattern, 0 to 7.
    var style: Int
    /// The points in ascending order of x.
    var points: [(x: Double, y: Double)]

    package init(name: String, style: Int, points: [(x: Double, y: Double)]) {
      (self.name, self.style, self.points) = (name, style, points)
    }
  }

  /// A vertical line where something happened.
  package struct Mark {
    var x: Double
    /// "rollback" or "resume".
    var kind: String
  }

  var title: String
  /// Unit of y.
  var unit: String
  var xName: String
  var kind: Axis.Kind
  /// Values that the range of y must include, such as 0 and the number of units.
  var including: [Double]
  /// Whether initial values that would flatten the rest may be cut off. The chart then says so.
  var isCut: Bool
  var marks: [Mark]
  /// Whether the legend shows the last value of each series.
  var endsMatter: Bool
  /// A point to highlight.
  var best: (x: Double, y: Double)?
  var series: [Series]

  package init(
    title: String, unit: String, xName: String = "epoch", kind: Axis.Kind = .linear, including: [Double] = [],
    isCut: Bool = false, marks: [Mark] = [], endsMatter: Bool = true, best: (x: Double, y: Double)? = nil,
    series: [Series]
  ) {
    (self.title, self.unit, self.xName, self.kind, self.including) = (title, unit, xName, kind, including)
    (self.isCut, self.marks, self.endsMatter, self.best, self.series) = (isCut, marks, endsMatter, best, series)
  }

  private static let buckets = 160
  /// Number of epochs from which on initial values may be cut off.
  private static let leastCut = 10
  static let mostMarks = 40

  /// Returns nil if nothing can be drawn.
  package func figure() -> Markup? {
    let all = series.flatMap { $0.points.filter(LineChart.isDrawable) }
    guard let first = all.map(\.x).min(), let last = all.map(\.x).max() else { return nil }
    let range = yRange(all, first, last)
    let plot = Plot(
      x: Axis(LineChart.beginning(first, last), last, kind: .integer, most: 6, isLoose: false),
      y: Axis(range.low, range.high, kind: kind),
      unit: unit, xName: xName)
    var keys = series.compactMap { series in
      series.points.last(where: LineChart.isDrawable).map {
        Figure.Key(style: "s\(series.style)", text: series.name, value: endsMatter ? text($0.y) : nil)
      }
    }
    if let best { keys.append(.init(style: "best", shape: .ring, text: "lowest", value: text(best.y))) }
    for kind in ["rollback", "resume"] where marks.contains(where: { $0.kind == kind }) {
      keys.append(.init(style: "mark \(kind)", text: kind))
    }
    return Figure(title: title, keys: keys, note: range.note, description: description(first, last)).markup(
      plot.axes() + marksAcross(plot) + lines(plot) + points(plot))
  }

  /// Begins the axis at 0 if it nearly does so, because 0 is rounder than 1.
  private static func beginning(_ first: Double, _ last: Double) -> Double {
    first > 0 && 5 * first <= last ? 0 : first
  }

  private func text(_ value: Double) -> String {
    kind == .integer && abs(value) < 1e15 ? Int(value).grouped : "\(value, .typeset)"
  }

  private static func isDrawable(_ point: (x: Double, y: Double)) -> Bool {
    Axis.drawable.contains(point.x) && Axis.drawable.contains(point.y)
  }

  private func yRange(_ all: [(x: Double, y: Double)], _ first: Double, _ last: Double)
    -> (low: Double, high: Double, note: String?)
  {
    let low = (all.map(\.y) + including).min() ?? 0, high = (all.map(\.y) + including).max() ?? 1
    guard isCut, Set(all.map(\.x)).count >= LineChart.leastCut else { return (low, high, nil) }
    let late = all.filter { $0.x > first + 0.1 * (last - first) }.map(\.y)
    // Values that differ by rounding only are not treated as a range.
    guard let lateLow = late.min(), let lateHigh = late.max(), lateHigh - lateLow > abs(lateLow) * 1e-6,
      high - low > 3 * (lateHigh - lateLow)
    else { return (low, high, nil) }
    let extreme = high - lateHigh > lateLow - low ? high : low
    let room = 0.1 * (lateHigh - lateLow)
    return (
      low < lateLow ? lateLow - room : lateLow, high > lateHigh ? lateHigh + room : lateHigh,
      "The beginning, as far as \(extreme, .typeset), is outside of the chart."
    )
  }

  private func description(_ first: Double, _ last: Double) -> String {
    let ends = series.compactMap { series -> String? in
      let drawn = series.points.filter(LineChart.isDrawable)
      guard let begin = drawn.first, let end = drawn.last else { return nil }
      return "\(series.name) from \(begin.y, .typeset) to \(end.y, .typeset)"
    }
    return "\(title), \(unit), over \(xName) \(first, .typeset) to \(last, .typeset): "
      + ends.joined(separator: "; ")
  }

  private func marksAcross(_ plot: Plot) -> Markup {
    var markup: Markup = ""
    for mark in marks where (0...1).contains(plot.x.position(mark.x)) {
      let place: Markup = "M\(at: plot.place(mark.x)) \(at: plot.top)V\(at: plot.bottom)"
      markup += "<path class=\"mark \(mark.kind)\" d=\"\(place)\"/>"
    }
    return markup
  }

  private func lines(_ plot: Plot) -> Markup {
    var inside: Markup = ""
    for series in series {
      inside += "<path class=\"line s\(series.style)\" d=\"\(LineChart.path(series.points, plot))\"/>"
    }
    // A nested svg element clips the lines at its border. Half the width of a line may extend beyond the plot.
    let (left, top) = (plot.left - 1, plot.top - 1)
    let corner: Markup = "\(at: left) \(at: top)"
    let width: Markup = "\(at: plot.right - left + 1)", height: Markup = "\(at: plot.bottom - top + 1)"
    return "<svg x=\"\(at: left)\" y=\"\(at: top)\" width=\"\(width)\" height=\"\(height)\" "
      + "viewBox=\"\(corner) \(width) \(height)\">\(inside)</svg>"
  }

  /// Draws dots if there are few points, and the best point.
  private func points(_ plot: Plot) -> Markup {
    func dot(_ point: (x: Double, y: Double), _ style: String, _ radius: Double) -> Markup {
      guard LineChart.isDrawable(point), (0...1).contains(plot.y.position(point.y)) else { return "" }
      let center: Markup = "cx=\"\(at: plot.place(point.x))\" cy=\"\(at: plot.level(point.y))\""
      return "<circle class=\"\(style)\" \(center) r=\"\(at: radius)\"/>"
    }
    var markup: Markup = ""
    if series.allSatisfy({ $0.points.count <= 12 }) {
      for series in series { for point in series.points { markup += dot(point, "dot s\(series.style)", 2.6) } }
    }
    if let best { markup += dot(best, "best", 4) }
    return markup
  }

  /// Returns a subpath for each stretch without a gap. A single point is drawn as the round cap of a line without
  /// length.
  private static func path(_ points: [(x: Double, y: Double)], _ plot: Plot) -> Markup {
    var path: Markup = ""
    for stretch in points.split(whereSeparator: { !isDrawable($0) }) {
      let thin = thinned(Array(stretch)) { plot.x.position($0) }
      for (index, point) in thin.enumerated() {
        let place: Markup = "\(at: plot.place(point.x)) \(at: plot.level(point.y))"
        path += index == 0 ? "M\(place)" : "L\(place)"
      }
      if thin.count == 1 { path += "h0" }
    }
    return path
  }

  /// Returns at most four points for each piece of the axis: the first, the lowest, the highest and the last.
  static func thinned(
    _ points: [(x: Double, y: Double)], position: (Double) -> Double
  ) -> [(x: Double, y: Double)] {
    guard points.count > 2 * buckets else { return points }
    var kept: [(x: Double, y: Double)] = [], piece: [(x: Double, y: Double)] = [], current = -1
    func flush() {
      guard let low = piece.indices.min(by: { piece[$0].y < piece[$1].y }),
        let high = piece.indices.max(by: { piece[$0].y < piece[$1].y })
      else { return }
      for index in Set([0, low, high, piece.count - 1]).sorted() { kept.append(piece[index]) }
      piece = []
    }
    for point in points {
      let bucket = Int((position(point.x) * Double(buckets)).rounded(.down))
      if bucket != current { flush() }
      current = bucket
      piece.append(point)
    }
    flush()
    return kept
  }
}
