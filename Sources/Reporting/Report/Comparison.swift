import Foundation
import Settings
import Training

/// Compares several runs: the differences of their settings, their results, and their curves in common charts.
struct Comparison {
  let runs: [RunRecord]
  /// Number of distinct colours and dash patterns.
  private static let mostDrawn = 8

  /// The name of each run, or its path if names are not unique.
  private var names: [String] {
    let isAmbiguous = Set(runs.map(\.name)).count < runs.count
    return runs.map { isAmbiguous ? $0.path : $0.name }
  }

  private func letter(_ index: Int) -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return index < letters.count ? String(letters[index]) : "\(index + 1)"
  }

  var markup: Markup {
    let verdicts = runs.map { Verdict($0) }
    return header(verdicts) + ReportPage.section("Settings that differ", settings)
      + ReportPage.section("Results", results) + ReportPage.section("Curves", legend + ReportPage.charts(curves))
      + ReportPage.section("Samples", samples)
  }

  private func header(_ verdicts: [Verdict]) -> Markup {
    let ranked = runs.indices.filter { runs[$0].lowest != nil }
      .min { runs[$0].lowest!.valid.negativeELBO < runs[$1].lowest!.valid.negativeELBO }
    let words =
      ranked.map { index in
        let value = "\(runs[index].lowest?.valid.negativeELBO ?? .nan, .typeset)"
        return "\(letter(index)) (\(names[index])) has the lowest validation −ELBO, \(value) nats per sample."
          + equals(of: index)
      } ?? "None of them has a validated epoch."
    let items = runs.indices.map { index -> Markup in
      let gravest = verdicts[index].findings.first?.level ?? .ok
      return "<li class=\"\(gravest.rawValue)\"><b>\(letter(index)) \(names[index])</b><br/>\(verdicts[index].sentence)"
        + "<br/><b>Next:</b> \(verdicts[index].next).</li>\n"
    }
    return "<header><h1>\(runs.count) runs side by side</h1>\n<p class=\"verdict\">\(words)</p>\n"
      + "<p class=\"soft\">\(caution)</p>\n<ul class=\"findings\">\n\(items)</ul></header>\n"
  }

  /// Returns a sentence that names the runs that are worse by no more than chance, because the lowest of many epochs is
  /// partly a matter of luck.
  private func equals(of index: Int) -> String {
    let equals = runs.indices.filter { other in
      guard other != index, let ours = runs[index].lowest, let theirs = runs[other].lowest,
        let scatter = Trend.scatter(runs[index]), let other = Trend.scatter(runs[other])
      else { return false }
      return theirs.valid.negativeELBO - ours.valid.negativeELBO < 3 * max(scatter, other)
    }
    guard !equals.isEmpty else { return "" }
    let names = equals.map(letter).joined(separator: ", ")
    return " \(names) \(equals.count == 1 ? "differs" : "differ") from it by less than epochs do by chance."
  }

  /// Returns a note on whether the nats of the runs can be compared, which requires the same data and likelihood.
  private var caution: String {
    let keys = [
      "data.source", "data.validation", "data.scale", "data.binarize", "data.image_size", "data.channels",
      "train.overfit_batches", "model.likelihood",
    ]
    var differing = keys.filter { key in Set(runs.map { $0[setting: key] }).count > 1 }
    // The data under the same path may have changed.
    if Set(runs.map(\.metrics.start?.shape)).count > 1 { differing.append("the shape of a sample") }
    if Set(runs.map(\.metrics.start?.validSamples)).count > 1 { differing.append("the number of validation samples") }
    return differing.isEmpty
      ? "Data and likelihood are the same in all, so their nats can be compared."
      : "They differ in \(differing.joined(separator: ", ")): their nats measure different things."
  }

  private var settings: Markup {
    var keys: [String] = []
    var seen: Set<String> = []
    for run in runs { for (key, _) in run.settings where seen.insert(key).inserted { keys.append(key) } }
    let differing = keys.filter { key in Set(runs.map { $0[setting: key] }).count > 1 }.prefix(200)
    guard !differing.isEmpty else { return "<p>None: the runs have the same settings.</p>\n" }
    return ReportPage.table(
      ["key"] + runs.indices.map(letter),
      differing.map { key in [key] + runs.map { $0[setting: key]?.printable ?? "–" } },
      words: runs.count + 1)
  }

  private var results: Markup {
    func row(_ name: String, _ value: (RunRecord) -> String?) -> [String] { [name] + runs.map { value($0) ?? "–" } }
    func lowest(_ name: String, _ value: @escaping (RunEpoch) -> Double?) -> [String] {
      row(name) { $0.lowest.flatMap(value).map { "\($0, .typeset)" } }
    }
    let rows = [
      row("state") { Verdict.word($0) }, row("epochs") { $0.epochs.last.map { "\($0.epoch)" } },
      lowest("lowest validation −ELBO, nats") { $0.valid.negativeELBO },
      lowest("reconstruction, nats") { $0.valid.reconstruction }, lowest("KL, nats") { $0.valid.kl },
      lowest("bits per dimension") { $0.validBits },
      row("at epoch") { $0.lowest.map { "\($0.epoch)" } },
      row("active units") { run in run.lowest?.activeUnits.map { "\($0) of \(run.units ?? 0)" } },
      row("parameters") { $0.metrics.start?.parameters.map(\.grouped) },
      row("ranks") { $0.epochs.last.map { "\($0.ranks)" } },
      row("samples per second, median") { run in
        let speeds = run.epochs.map(\.samplesPerSecond).filter(\.isFinite).sorted()
        return speeds.isEmpty ? nil : "\(speeds[speeds.count / 2], .typeset)"
      },
      row("time in steps") { "\($0.epochs.map(\.seconds).filter(\.isFinite).reduce(0, +), .duration)" },
      row("rollbacks") { run in "\(run.events.count { $0.kind == "rollback" })" },
    ].filter { $0.dropFirst().contains { $0 != "–" } }
    return ReportPage.table([""] + runs.indices.map(letter), rows, words: 1)
  }

  private var drawn: Range<Int> { 0..<min(runs.count, Comparison.mostDrawn) }

  private var legend: Markup {
    let keys = drawn.map { index -> Markup in
      "<span class=\"key\"><svg class=\"swatch\" viewBox=\"0 0 22 10\" aria-hidden=\"true\">"
        + "<path class=\"line s\(index)\" d=\"M1 5H21\"/></svg> \(letter(index)) \(names[index])</span> "
    }
    let rest: Markup =
      runs.count > drawn.count ? "<p class=\"note\">The first \(drawn.count) of \(runs.count).</p>" : ""
    return "<p class=\"keys legend\">\(keys)</p>\(rest)\n"
  }

  private var curves: Markup {
    func chart(
      _ title: String, _ unit: String, isCut: Bool = false, including: [Double] = [], kind: Axis.Kind = .linear,
      _ value: (RunEpoch) -> Double
    ) -> Markup {
      let series = drawn.map { index in
        LineChart.Series(
          name: letter(index), style: index, points: runs[index].epochs.map { (Double($0.epoch), value($0)) })
      }
      return LineChart(title: title, unit: unit, kind: kind, including: including, isCut: isCut, series: series)
        .figure()
        ?? ""
    }
    let nats = "nats per sample"
    let betas = drawn.compactMap { runs[$0].epochs.last?.beta }.filter { $0 > 0 }
    let areFar = (betas.max() ?? 1) > 10 * (betas.min() ?? 1)
    return chart("Validation −ELBO", nats, isCut: true) { $0.valid.negativeELBO }
      + chart("Validation reconstruction", nats, isCut: true) { $0.valid.reconstruction }
      + chart("Validation KL", nats, isCut: true) { $0.valid.kl }
      + chart("Beta", "weight of the KL", including: areFar ? [] : [0], kind: areFar ? .logarithmic : .linear) {
        $0.beta
      }
      + chart("Active units", "units", including: [0], kind: .integer) { $0.activeUnits.map(Double.init) ?? .nan }
      + chart("Throughput", "samples per second", including: [0]) { $0.samplesPerSecond }
  }

  private var samples: Markup {
    var pictures = ReportPictures(), figures: Markup = ""
    for index in drawn {
      guard let last = runs[index].pictures(in: "samples").last else { continue }
      let caption = "\(letter(index)) \(names[index])" + (last.epoch.map { ", epoch \($0)" } ?? "")
      figures += pictures.figure(last, caption) ?? ""
    }
    return figures.text.isEmpty ? "" : "<div class=\"pictures\">\(figures)</div>\n"
  }
}
