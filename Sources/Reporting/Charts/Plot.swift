/// The frame of a chart in units of about a pixel: the position of the axes and the room for their labels.
struct Plot {
  static let width = 360.0, height = 214.0
  /// Width of a digit. It is larger than that of any system font at the charts' font size of 11.
  static let letter = 6.7

  let x: Axis
  let y: Axis
  let left: Double
  let top = 24.0
  let right: Double
  let bottom: Double
  /// The unit is printed above the axis that it belongs to.
  private let unit: String
  private let xName: String

  init(x: Axis, y: Axis, unit: String, xName: String, width: Double = Plot.width, height: Double = Plot.height) {
    (self.x, self.y, self.unit, self.xName) = (x, y, unit, xName)
    left = (y.ticks.map { Plot.length($0.label) }.max() ?? Plot.letter) + 10
    right = width - 10
    bottom = height - 36
  }

  /// Width of a label. M, G and the minus sign are wider than digits.
  static func length(_ text: String) -> Double {
    text.reduce(0) { $0 + ("MG−".contains($1) ? 1.5 * letter : letter) }
  }

  func place(_ x: Double) -> Double { left + self.x.position(x) * (right - left) }
  func level(_ y: Double) -> Double { bottom - self.y.position(y) * (bottom - top) }

  /// Draws gridlines and labels.
  ///
  /// - xLabels: replaces the labels of the horizontal axis.
  func axes(_ xLabels: [(place: Double, text: String)]? = nil) -> Markup {
    var markup: Markup = ""
    for tick in y.ticks {
      let level = level(tick.value)
      markup += "<path class=\"grid\" d=\"M\(at: left) \(at: level)H\(at: right)\"/>"
      markup += "<text class=\"end\" x=\"\(at: left - 6)\" y=\"\(at: level + 3.8)\">\(tick.label)</text>"
    }
    markup += "<path class=\"axis\" d=\"M\(at: left) \(at: bottom)H\(at: right)\"/>"
    let labels = xLabels ?? x.ticks.map { (place($0.value), $0.label) }
    for label in Plot.apart(labels, from: 2, to: right + 8) {
      markup += "<path class=\"axis\" d=\"M\(at: label.place) \(at: bottom)v3.5\"/>"
      markup += "<text class=\"middle\" x=\"\(at: label.middle)\" y=\"\(at: bottom + 15)\">\(label.text)</text>"
    }
    markup += "<text x=\"2\" y=\"11\" class=\"unit\">\(unit)</text>"
    return markup + "<text class=\"end unit\" x=\"\(at: right)\" y=\"\(at: bottom + 31)\">\(xName)</text>"
  }

  struct Label {
    var place: Double
    var middle: Double
    var text: String
  }

  /// Returns evenly spaced labels that fit side by side, and moves them inside the limits.
  static func apart(_ labels: [(place: Double, text: String)], from low: Double, to high: Double) -> [Label] {
    let all = labels.map { place, text in
      let half = length(text) / 2
      return Label(place: place, middle: max(low + half, min(high - half, place)), text: text)
    }
    func fit(_ some: [Label]) -> Bool {
      zip(some, some.dropFirst()).allSatisfy {
        $1.middle - $0.middle > (length($0.text) + length($1.text)) / 2 + 5
      }
    }
    for stride in 1...max(1, all.count) {
      let some = all.enumerated().filter { $0.offset % stride == 0 }.map(\.element)
      if fit(some) { return some }
    }
    return []
  }
}

/// A chart with its title, its legend and a note.
package struct Figure {
  package struct Key {
    enum Shape { case line, box, ring }
    /// CSS class of the swatch.
    var style: String
    var shape = Shape.line
    var text: String
    /// The last value of the series.
    var value: String?
  }

  var title: String
  var keys: [Key] = []
  var note: String?
  var height = Plot.height
  /// A text alternative for readers who cannot see the chart.
  var description: String

  func markup(_ drawing: Markup) -> Markup {
    let keys = keys.map { key -> Markup in
      let swatch: Markup =
        switch key.shape {
        case .line: "<path class=\"line \(key.style)\" d=\"M1 5H21\"/>"
        case .box: "<rect class=\"\(key.style)\" x=\"6\" y=\"0.5\" width=\"9\" height=\"9\"/>"
        case .ring: "<circle class=\"\(key.style)\" cx=\"11\" cy=\"5\" r=\"4\"/>"
        }
      let value: Markup = key.value.map { " <b>\($0)</b>" } ?? ""
      return "<span class=\"key\"><svg class=\"swatch\" viewBox=\"0 0 22 10\" aria-hidden=\"true\">\(swatch)</svg>"
        + " \(key.text)\(value)</span> "
    }
    let note: Markup = note.map { "<p class=\"note\">\($0)</p>" } ?? ""
    let legend: Markup = keys.isEmpty ? "" : "<p class=\"keys\">\(keys)</p>"
    let box: Markup = "viewBox=\"0 0 \(at: Plot.width) \(at: height)\""
    return "<figure class=\"chart\"><figcaption><h3>\(title)</h3>\(legend)</figcaption>"
      + "<div><svg \(box) role=\"img\" aria-label=\"\(description)\">\(drawing)</svg>\(note)</div></figure>\n"
  }
}
