import Foundation
import Kernels
import Persistence
import Training

/// Points of a plane drawn as discs, coloured by label, with a legend.
package struct ScatterPlot {
  private static let side = 800
  private static let margin = 40
  private static let legendWidth = 240
  private static let mostEntries = 30
  private static let ink = Colour.grey(60)
  /// Ten colours that can be distinguished, as far as possible also by colour-blind readers (Tableau 10).
  private static let palette: [Colour] = [
    (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75), (227, 119, 194),
    (127, 127, 127), (188, 189, 34), (23, 190, 207),
  ].map { Colour(red: $0.0, green: $0.1, blue: $0.2) }

  package let points: [Float]
  private let labels: [Int]?
  private let names: [String]?
  private let caption: String

  /// - points: (count, 2).
  /// - names: the names of labels 0, 1, ...
  package init(points: [Float], labels: [Int]?, names: [String]?, caption: String) {
    precondition(labels.map { 2 * $0.count == points.count } ?? true, "ScatterPlot: as many labels as points")
    (self.points, self.labels, self.names, self.caption) = (points, labels, names, caption)
  }

  private static func colour(_ place: Int, of count: Int) -> Colour {
    // For more than ten labels, hues advance by the golden ratio, which gives adjacent labels very different hues.
    count <= palette.count
      ? palette[place]
      : Colour(
        hue: (Double(place) * 0.618_034).truncatingRemainder(dividingBy: 1), saturation: 0.75,
        value: place % 2 == 0 ? 0.85 : 0.6)
  }

  func render() -> Canvas {
    let classes = Set(labels ?? []).sorted()
    var canvas = Canvas(
      width: Self.side + (classes.isEmpty ? 0 : Self.legendWidth), height: Self.side + Self.margin,
      background: .grey(255))
    let places = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
    let frame = frame
    let radius = points.count > 4_000 ? 2.0 : 3.0
    for i in 0..<points.count / 2 {
      let place = labels.flatMap { places[$0[i]] } ?? 0
      let (x, y) = frame.position(points[2 * i], points[2 * i + 1])
      canvas.dot(x: x, y: y, radius: radius, Self.colour(place, of: max(1, classes.count)), opacity: 0.8)
    }
    canvas.text(caption, x: Self.margin, y: Self.side + 8, Self.ink)
    for (place, label) in classes.prefix(Self.mostEntries).enumerated() {
      let y = Self.margin + 24 * place
      canvas.dot(x: Double(Self.side) + 8, y: Double(y) + 7, radius: 6, Self.colour(place, of: classes.count))
      canvas.text(name(of: label), x: Self.side + 24, y: y, Self.ink)
    }
    if classes.count > Self.mostEntries {
      let text = "and \(classes.count - Self.mostEntries) more"
      canvas.text(text, x: Self.side + 24, y: Self.margin + 24 * Self.mostEntries, Self.ink)
    }
    return canvas
  }

  private func name(of label: Int) -> String {
    let name = fullName(of: label)
    let most = (Self.legendWidth - 24) / (2 * Font.advance)
    return name.count > most ? name.prefix(most - 2) + ".." : name
  }

  /// The plot as text: a caption, then a row for each point. The report draws its own chart from it.
  var table: String {
    var text = "# \(caption)\nx,y\(labels == nil ? "" : ",label")\n"
    for i in 0..<points.count / 2 {
      let label = labels.map { "," + fullName(of: $0[i]).printable.replacingOccurrences(of: ",", with: ";") } ?? ""
      text += "\(points[2 * i]),\(points[2 * i + 1])\(label)\n"
    }
    return text
  }

  private func fullName(of label: Int) -> String {
    names.flatMap { $0.indices.contains(label) ? $0[label] : nil } ?? "\(label)"
  }

  /// Maps points to pixels. Both axes have the same scale, so that distances are comparable; y points upwards.
  private struct Frame {
    let centre: (Double, Double)
    let scale: Double

    func position(_ x: Float, _ y: Float) -> (Double, Double) {
      let middle = Double(ScatterPlot.side) / 2
      return (middle + (Double(x) - centre.0) * scale, middle - (Double(y) - centre.1) * scale)
    }
  }

  private var frame: Frame {
    func range(_ axis: Int) -> (Double, Double) {
      var low = Double.infinity, high = -Double.infinity
      for i in stride(from: axis, to: points.count, by: 2) where points[i].isFinite {
        (low, high) = (min(low, Double(points[i])), max(high, Double(points[i])))
      }
      return low <= high ? (low, high) : (0, 0)
    }
    let (x, y) = (range(0), range(1))
    let extent = max(x.1 - x.0, y.1 - y.0)
    return Frame(
      centre: ((x.0 + x.1) / 2, (y.0 + y.1) / 2),
      scale: extent > 0 ? Double(Self.side - 2 * Self.margin) / extent : 0)
  }

  package func write(to path: String) throws(Failure) { try render().write(to: path) }
}
