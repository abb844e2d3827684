/// Vertical bars, each of one part or of several stacked parts. If there are too many, groups of bars are merged.
package struct BarChart {
  package struct Part {
    var value: Double
    /// CSS class of the colour.
    var style: String

    package init(value: Double, style: String) { (self.value, self.style) = (value, style) }
  }

  package struct Bar {
    var label: String
    var parts: [Part]
    /// Text of the tooltip.
    var hint: String

    package init(label: String, parts: [Part], hint: String) {
      (self.label, self.parts, self.hint) = (label, parts, hint)
    }

    var height: Double { parts.reduce(0) { $0 + $1.value } }
  }

  var title: String
  var unit: String
  var xName: String
  var keys: [Figure.Key]
  var note: String?
  var description: String
  var bars: [Bar]

  package init(
    title: String, unit: String, xName: String, keys: [Figure.Key] = [], note: String? = nil, description: String,
    bars: [Bar]
  ) {
    (self.title, self.unit, self.xName, self.keys, self.note) = (title, unit, xName, keys, note)
    (self.description, self.bars) = (description, bars)
  }

  private static let most = 200

  /// Returns nil if nothing can be drawn. Values that are not finite or are negative are drawn without height.
  package func figure() -> Markup? {
    guard !bars.isEmpty else { return nil }
    // Each group is represented by its highest bar.
    let group = (bars.count + BarChart.most - 1) / BarChart.most
    let drawn = stride(from: 0, to: bars.count, by: group).compactMap { first in
      bars[first..<min(first + group, bars.count)].max { $0.height < $1.height }
    }.map(BarChart.drawable)
    let highest = drawn.map(\.height).max() ?? 0
    let plot = Plot(
      x: Axis(0, Double(drawn.count), isLoose: false), y: Axis(0, highest > 0 ? highest : 1), unit: unit, xName: xName)
    let pitch = (plot.right - plot.left) / Double(drawn.count)
    var markup = plot.axes(drawn.enumerated().map { (plot.left + (Double($0.offset) + 0.5) * pitch, $0.element.label) })
    for (index, bar) in drawn.enumerated() {
      markup += rectangles(bar, from: plot.left + Double(index) * pitch, pitch, plot)
    }
    return Figure(title: title, keys: keys, note: note, description: description).markup(markup)
  }

  private static func drawable(_ bar: Bar) -> Bar {
    var bar = bar
    for index in bar.parts.indices where !(0...1e100).contains(bar.parts[index].value) { bar.parts[index].value = 0 }
    return bar
  }

  private func rectangles(_ bar: Bar, from left: Double, _ pitch: Double, _ plot: Plot) -> Markup {
    let gap = pitch > 5 ? max(min(4, pitch * 0.2), pitch - 40) : 0
    var markup: Markup = "", base = 0.0
    for part in bar.parts where part.value > 0 {
      let high = plot.level(base + part.value), low = plot.level(base)
      base += part.value
      let place: Markup = "x=\"\(at: left + gap / 2)\" y=\"\(at: high)\""
      let size: Markup = "width=\"\(at: max(0.3, pitch - gap))\" height=\"\(at: max(0.5, low - high))\""
      markup += "<rect class=\"\(part.style)\" \(place) \(size)/>"
    }
    return "<g><title>\(bar.hint)</title>\(markup)</g>"
  }
}
