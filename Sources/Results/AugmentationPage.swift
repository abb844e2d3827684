import Data
import Evaluation
import Foundation
import Reporting
import Kernels
import Persistence
import Settings
import Training

/// The report on synthetic rows as an HTML page: whether to use them, and the result of each check.
package struct AugmentationPage {
  private let report: AugmentationReport
  /// The path of the rows that were written; nil if none were.
  private let output: String?
  private static let pictured = 10
  private static let bins = 32

  package init(_ report: AugmentationReport, output: String?) { (self.report, self.output) = (report, output) }

  /// Writes the page atomically.
  package func write(to path: String) throws(Failure) {
    let name = URL(fileURLWithPath: report.model.path).lastPathComponent
    try DurableFile.write(ReportPage.text(title: "Synthetic rows of \(name)", try body()), to: path)
  }

  private func body() throws(Failure) -> Markup {
    header + RunSections.findings(report.findings) + ReportPage.section("Quality gate", try gate())
      + ReportPage.section("Variety", variety) + ReportPage.section("Copies", try copies())
      + ReportPage.section("Train on synthetic, test on real", classifier)
  }

  // MARK: Summary

  private var header: Markup {
    let options = report.options, rows = report.rows.count
    let origin = options.width.map { "around training rows, \($0, .typeset) posterior deviations wide" }
    let words = [
      report.data.name.printable, "\(rows.grouped) rows", "z " + (origin ?? "from the prior"),
      options.usesMean ? "means of p(x | z)" : "draws of p(x | z)", "seed \(options.seed)",
      "model of step \(report.model.step)",
    ]
    let verdict =
      !report.isRefused
      ? "These rows passed all checks that keep bad data back."
      : (output == nil ? "Refused: nothing was written." : "Written by force: do not use these rows without a thought.")
    let reasons = report.reasons.map(\.check).joined(separator: ", ")
    let because: Markup = report.isRefused ? " Because of: \(reasons)." : ""
    return "<header><h1>Synthetic rows</h1>\n<p class=\"soft\">\(words.joined(separator: " · "))</p>\n"
      + "<p class=\"verdict\">\(verdict)\(because)</p>\n\(tiles)</header>\n"
  }

  private var tiles: Markup {
    var tiles = [("\(report.synthesis.acceptance, .percent)", "of candidates passed the gate")]
    if let diversity = report.diversity {
      tiles.append(("\(diversity.overlap.precision, .typeset)", "precision (real rows \(usual(\.precision)))"))
      tiles.append(("\(diversity.overlap.recall, .typeset)", "recall (real rows \(usual(\.recall)))"))
      tiles.append(("\(diversity.coveredModes) of \(diversity.modes.count)", "clusters of real rows covered"))
    }
    if let verdict = report.memorisation {
      tiles.append(
        ("\(verdict.ratios.share, .percent)", "of pairs more tied to a training row than a real row is"))
    }
    if let found = report.classifier {
      tiles.append(
        ("\(found.share(found.synthetic), .percent)", "of real rows told by a classifier that saw none"))
      tiles.append(("\(found.share(found.real), .percent)", "by one trained on real rows"))
    }
    return "<ul class=\"tiles\">\(tiles.map { value, what in "<li><b>\(value)</b><span>\(what)</span></li>\n" })</ul>\n"
  }

  private func usual(_ part: KeyPath<ManifoldOverlap, Double>) -> String {
    "\(report.diversity?.usual[keyPath: part] ?? 0, .typeset)"
  }

  private func note(_ text: String) -> Markup { "<p class=\"note section-note\">\(text)</p>\n" }

  // MARK: Gate

  private func gate() throws(Failure) -> Markup {
    let gate = report.gate, synthesis = report.synthesis
    let words =
      "Thresholds are the \(gate.quantile, .typeset) quantile of the scores of \(report.real.gate.count) real "
      + "rows that the model was not trained on and the classifiers are not tested on. A candidate above one, or as near to "
      + "a training row as a copy is, was turned away and drawn again."
    let rows = synthesis.outcomes.enumerated().map { place, outcome in
      [report.name(place).printable, outcome.kept.grouped, outcome.drawn.grouped]
        + QualityGate.Reason.allCases.map { (outcome.rejected[$0] ?? 0).grouped }
        + ["\(outcome.acceptance, .percent)"]
    }
    let header = ["class", "kept", "candidates", "reconstruction", "density", "copy", "accepted"]
    let charts = gate.criteria.indices.compactMap(histogram)
    return note(words) + ReportPage.charts(charts.reduce("") { $0 + $1 }) + (try examples())
      + ReportPage.table(header, rows)
  }

  /// Draws the distributions of the scores of real rows and of candidates.
  private func histogram(_ place: Int) -> Markup? {
    let criterion = report.gate.criteria[place], candidates = report.synthesis.scores[place].filter(\.isFinite)
    guard let low = (candidates + criterion.reference).min(), !candidates.isEmpty else { return nil }
    // Scores far above the threshold are counted in the last bin.
    let high = max(quantile(0.99, ofSorted: candidates.sorted()), criterion.reference.last ?? low)
    guard high > low else { return nil }
    func shares(_ values: [Double]) -> [(x: Double, y: Double)] {
      var counts = [Double](repeating: 0, count: Self.bins)
      for value in values {
        let bin = Int((value - low) / (high - low) * Double(Self.bins))
        counts[max(0, min(Self.bins - 1, bin))] += 100 / Double(values.count)
      }
      return counts.enumerated().map { (low + (Double($0) + 0.5) * (high - low) / Double(Self.bins), $1) }
    }
    let top = max(shares(candidates).map(\.y).max() ?? 0, shares(criterion.reference).map(\.y).max() ?? 0)
    return LineChart(
      title: "Gate by \(criterion.reason.rawValue): \(criterion.score.meaning)", unit: "% of rows", xName: "score",
      endsMatter: false,
      series: [
        .init(name: "real rows", style: 0, points: shares(criterion.reference)),
        .init(name: "candidates", style: 1, points: shares(candidates)),
        .init(name: "threshold", style: 2, points: [(criterion.threshold, 0), (criterion.threshold, top)]),
      ]
    ).figure()
  }

  /// Draws rows that were kept and, for each reason, rows that were rejected.
  private func examples() throws(Failure) -> Markup {
    guard report.shape.canBeDrawn else { return "" }
    let kept = report.rows.spaced(Self.pictured)
    var strips = [("kept", kept.x)]
    for reason in QualityGate.Reason.allCases {
      let turned = report.synthesis.examples.filter { $0.reason == reason }
      guard !turned.isEmpty else { continue }
      strips.append((reason.rawValue, turned.indices.spaced(Self.pictured).flatMap { turned[$0].x }))
    }
    let real = report.real.training.spaced(Self.pictured)
    return try pictures(
      [("real", real.x)] + strips, "real rows, rows that were kept, and rows that were turned away, by reason")
  }

  /// Draws a row of pictures for each strip.
  private func pictures(_ strips: [(name: String, x: [Float])], _ caption: String) throws(Failure) -> Markup {
    let shape = report.shape, size = shape.elementCount, columns = Self.pictured
    guard strips.count * columns * size <= 1 << 22 else { return note("Pictures are too large for this page.") }
    // The end of a short strip is dark.
    let images = strips.flatMap { strip in
      strip.x.prefix(columns * size) + [Float](repeating: 0.25, count: max(0, columns * size - strip.x.count))
    }
    let grid = PictureGrid(images, shape, columns: columns).labelled(strips.map(\.name))
    let picture = try grid.encoded()
    let extent: Markup = "width=\"\(picture.width)\" height=\"\(picture.height)\""
    return "<div class=\"pictures whole\"><figure><figcaption>\(caption)</figcaption><img alt=\"\(caption)\" \(extent) "
      + "src=\"data:image/png;base64,\(Markup.base64(picture.png))\"/></figure></div>\n"
  }

  // MARK: Variety

  private var variety: Markup {
    guard let diversity = report.diversity else { return "" }
    let words =
      "Precision: share of synthetic rows within the neighbourhood of a real one. Recall: share of real rows within that of a "
      + "synthetic one. Coverage: share of real rows with a synthetic one in their own. A neighbourhood reaches to the "
      + "\(ManifoldOverlap.neighbours)rd nearest row of the same set; \(diversity.compared) rows of each were compared, and as "
      + "many other real rows, which show what is usual."
    func cells(_ name: String, _ overlap: ManifoldOverlap) -> [String] {
      [name] + [overlap.precision, overlap.recall, overlap.coverage].map { "\($0, .typeset)" }
    }
    let bars = diversity.variances.enumerated().compactMap { place, ratio in
      ratio.map {
        BarChart.Bar(
          label: String(report.name(place).printable.prefix(8)), parts: [.init(value: $0, style: "g0")],
          hint: "\(report.name(place).printable): \($0, .typeset)")
      }
    }
    let variances = BarChart(
      title: "Variance of synthetic rows of a class over that of real ones", unit: "1 is as varied", xName: "class",
      keys: [], note: nil, description: "variance ratio of each class", bars: bars)
    let modes = BarChart(
      title: "Share of synthetic rows in each cluster of real rows, over their share", unit: "1 is the same share",
      xName: "cluster", keys: [], note: nil, description: "shares of synthetic rows in clusters of real rows",
      bars: diversity.modes.enumerated().map { place, mode in
        let ratio = mode.synthetic / max(mode.real, 1e-9)
        return BarChart.Bar(
          label: "\(place + 1)", parts: [.init(value: ratio, style: "g0")],
          hint: "cluster \(place + 1): \(mode.real, .percent) of real rows, "
            + "\(mode.synthetic, .percent) of synthetic rows")
      })
    let charts = [variances.figure(), modes.figure()].compactMap { $0 }
    return note(words)
      + ReportPage.table(
        ["rows", "precision", "recall", "coverage"],
        [cells("synthetic", diversity.overlap), cells("other real rows", diversity.usual)])
      + ReportPage.charts(charts.reduce("") { $0 + $1 })
  }

  // MARK: Copies

  private func copies() throws(Failure) -> Markup {
    guard let verdict = report.memorisation else { return "" }
    let words =
      "Of each row: the distance to its nearest training row, and that distance over the one to the second nearest (1: tied to "
      + "none; 0: a copy). \(report.gate.memorisation.reference.count) real rows, each without itself, show what is "
      + "usual. Smooth rows are nearer to all others; only copies are tied to one."
    let rows = [
      ["nearer to a training row", "\(verdict.distances.share, .percent)"],
      ["more tied to one of them", "\(verdict.ratios.share, .percent)"],
    ]
    let table = ReportPage.table(["a synthetic row against a real one", "of pairs"], rows)
    let ratios = report.synthesis.judgements.map(\.nearness.ratio),
      usual = report.gate.memorisation.reference.map(\.ratio)
    func shares(_ values: [Double]) -> [(x: Double, y: Double)] {
      var counts = [Double](repeating: 0, count: Self.bins)
      for value in values {
        counts[min(Self.bins - 1, Int(value * Double(Self.bins)))] += 100 / Double(values.count)
      }
      return counts.enumerated().map { (100 * (Double($0) + 0.5) / Double(Self.bins), $1) }
    }
    let chart = LineChart(
      title: "Distance to the nearest training row over that to the second", unit: "% of rows",
      xName: "ratio in %", endsMatter: false,
      series: [
        .init(name: "real rows", style: 0, points: shares(usual)),
        .init(name: "synthetic rows", style: 1, points: shares(ratios)),
      ])
    return note(words) + ReportPage.charts(chart.figure() ?? "") + (try nearest()) + table
  }

  /// Draws the rows that are closest to a training row, above those training rows.
  private func nearest() throws(Failure) -> Markup {
    guard report.shape.canBeDrawn else { return "" }
    let found = report.synthesis.judgements
    let order = found.indices.sorted { (found[$0].nearness.ratio, $0) < (found[$1].nearness.ratio, $1) }
    let chosen = Array(order.prefix(Self.pictured))
    return try pictures(
      [
        ("kept", report.rows.rows(chosen).x),
        ("nearest", report.real.training.rows(chosen.map { found[$0].nearness.index }).x),
      ], "the kept rows that are most like a single training row, and those training rows")
  }

  // MARK: Classifier

  private var classifier: Markup {
    guard let found = report.classifier else { return "" }
    let words =
      "The same small classifier, trained on each set in turn, tells the classes of \(found.tested) real rows that neither "
      + "the model nor the gate has seen."
    let rows = [("real rows", found.real), ("synthetic rows alone", found.synthetic), ("both", found.both)].map {
      [$0.0, $0.1.grouped, "\(found.share($0.1), .percent)"]
    }
    let each = found.classes.enumerated().map { place, counts in
      let n = Double(max(1, counts.tested))
      return [
        report.name(place).printable, counts.tested.grouped, "\(Double(counts.real) / n, .percent)",
        "\(Double(counts.synthetic) / n, .percent)",
      ]
    }
    return note(words) + ReportPage.table(["trained on", "right", "share"], rows)
      + ReportPage.table(["class", "tested", "by real rows", "by synthetic rows"], each)
  }
}
