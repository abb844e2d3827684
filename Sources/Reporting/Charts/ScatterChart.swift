import Settings

/// Points in a plane with equal scales on both axes, coloured by group if there are groups.
struct ScatterChart {
  struct Point {
    var x: Double
    var y: Double
    /// Index of the point's group in `groups`.
    var group = 0
  }

  var title: String
  /// Names of the vertical and the horizontal axis.
  var unit: String
  var xName = ""
  /// Names of the groups; empty if there are none.
  var groups: [String] = []
  var points: [Point]
  var note: String?

  private static let most = 4_000
  /// Number of points from which on they are drawn smaller.
  private static let crowd = 600
  /// The number of groups whose colours can be distinguished.
  static let mostGroups = 10
  private static let side = 340.0

  /// Returns nil if nothing can be drawn.
  func figure() -> Markup? {
    let all = points.filter { Axis.drawable.contains($0.x) && Axis.drawable.contains($0.y) }
    guard let left = all.map(\.x).min(), let right = all.map(\.x).max(), let low = all.map(\.y).min(),
      let high = all.map(\.y).max()
    else { return nil }
    let reach = max(right - left, high - low) / 2 * 1.04, middle = ((left + right) / 2, (low + high) / 2)
    func plot(_ ratio: Double) -> Plot {
      Plot(
        x: Axis(middle.0 - reach * ratio, middle.0 + reach * ratio, isLoose: false),
        y: Axis(middle.1 - reach, middle.1 + reach, isLoose: false), unit: unit, xName: xName, height: ScatterChart.side
      )
    }
    // The width depends on the room for the labels.
    let square = plot(1), plot = plot((square.right - square.left) / (square.bottom - square.top))
    let stride = (all.count + ScatterChart.most - 1) / ScatterChart.most
    let drawn = all.enumerated().filter { $0.offset % stride == 0 }.map(\.element)
    var markup = plot.axes()
    let size = drawn.count > ScatterChart.crowd ? "crowded" : "sparse"
    for group in 0..<max(1, min(groups.count, ScatterChart.mostGroups)) {
      var path: Markup = ""
      // A subpath without length is drawn as a dot by its round cap, which is the shortest markup for a point.
      for point in drawn where min(point.group, ScatterChart.mostGroups - 1) == group {
        path += "M\(at: plot.place(point.x)) \(at: plot.level(point.y))h0"
      }
      markup += "<path class=\"cloud \(size) g\(group)\" d=\"\(path)\"/>"
    }
    let keys = groups.prefix(ScatterChart.mostGroups).enumerated().map { index, name in
      Figure.Key(
        style: "g\(index)", shape: .box,
        text: index == ScatterChart.mostGroups - 1 && groups.count > ScatterChart.mostGroups ? "others" : name)
    }
    let thinned = stride > 1 ? "Every \(stride)th of \(all.count.grouped) points." : nil
    let note = [note, thinned].compactMap { $0 }.joined(separator: ". ")
    return Figure(
      title: title, keys: keys, note: note.isEmpty ? nil : note, height: ScatterChart.side,
      description: "\(title): \(all.count.grouped) points"
    ).markup(markup)
  }
}
