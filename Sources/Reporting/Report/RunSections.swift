import RunConfiguration
import Foundation
import Kernels
import Settings
import Training

/// The report on one run, from the verdict to the environment. Sections without data are left out.
package struct RunSections {
  let run: RunRecord
  private static let mostRows = 40, mostEvents = 200

  var markup: Markup {
    let charts = RunCharts(run: run), verdict = Verdict(run)
    var pictures = ReportPictures()
    let samples = pictures.figures(run, in: "samples", "samples")
    let reconstructions = pictures.figures(run, in: "reconstructions", "reconstructions")
    let map = charts.map
    let latent = map.text.isEmpty ? pictures.latest(run, in: ["latent"]) : ""
    let paths = pictures.latest(run, in: ["interpolations", "traversals", "manifold"])
    let shown: Markup = "\(samples)\(reconstructions)\(paths)"
    let note: Markup = shown.text.isEmpty ? "" : pictureNote(hasPaths: !paths.text.isEmpty)
    return header(verdict) + RunSections.findings(verdict.findings)
      + ReportPage.section("Training", ReportPage.charts(charts.curves) + epochTable)
      + ReportPage.section("Latent space", ReportPage.charts(charts.activeUnits + charts.units + map) + latent)
      + ReportPage.section("Pictures", note + shown)
      + ReportPage.section("Speed", ReportPage.charts(charts.speed)) + ReportPage.section("Events", events)
      + ReportPage.section("Configuration", configuration) + ReportPage.section("Environment", environment)
  }

  // MARK: Summary

  private func header(_ verdict: Verdict) -> Markup {
    var words: [String] = []
    if let start = run.metrics.start {
      if let data = start.data { words.append(URL(fileURLWithPath: data).lastPathComponent) }
      if let shape = start.shape { words.append(Int(shape).map { "\($0) values a sample" } ?? shape) }
      if let samples = start.trainSamples { words.append("\(samples.grouped) training samples") }
      if let samples = start.validSamples { words.append("\(samples.grouped) validation samples") }
      if let parameters = start.parameters { words.append("\(parameters.grouped) parameters") }
      if let time = start.time { words.append("began " + RunSections.time(time)) }
    }
    let line: Markup = words.isEmpty ? "" : "<p class=\"soft\">\(words.joined(separator: " · "))</p>\n"
    return "<header><h1>\(run.name)</h1>\n\(line)<p class=\"verdict\">\(verdict.sentence)</p>\n"
      + "<p class=\"next\"><b>Next:</b> \(verdict.next).</p>\n\(tiles)</header>\n"
  }

  /// Formats an ISO 8601 time for people. Any other text is returned as it is.
  private static func time(_ text: String) -> String {
    guard text.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil else { return text.printable }
    return text.prefix(16).replacingOccurrences(of: "T", with: " ") + " UTC"
  }

  private var tiles: Markup {
    guard let best = run.lowest else { return "" }
    var tiles: [(String, String)] = [
      ("\(best.valid.negativeELBO, .typeset)", "nats per sample, lowest validation −ELBO"),
      ("\(best.valid.reconstruction, .typeset)", "nats of them reconstruction"),
      ("\(best.valid.kl, .typeset)", "nats of them KL"),
    ]
    if let bits = best.validBits { tiles.append(("\(bits, .typeset)", "bits per dimension")) }
    if let active = best.activeUnits, let units = run.units { tiles.append(("\(active) of \(units)", "units active")) }
    let speeds = run.epochs.map(\.samplesPerSecond).filter(\.isFinite).sorted()
    if !speeds.isEmpty { tiles.append(("\(speeds[speeds.count / 2], .typeset)", "samples per second, median")) }
    let seconds = run.epochs.map(\.seconds).filter(\.isFinite).reduce(0, +)
    let ranks = run.epochs.last?.ranks ?? 1
    tiles.append(("\(seconds, .duration)", "in training steps, on \(counted(ranks, "rank"))"))
    return "<ul class=\"tiles\">\(tiles.map { value, what in "<li><b>\(value)</b><span>\(what)</span></li>\n" })</ul>\n"
  }

  package static func findings(_ findings: [Finding]) -> Markup {
    let items = findings.map { finding -> Markup in
      let advice: Markup = finding.advice.map { "<br/><b>What to do:</b> \($0)." } ?? ""
      return "<li class=\"\(finding.level.rawValue)\"><span class=\"level\">\(finding.level.rawValue)</span> "
        + "<b>\(finding.check)</b>: \(finding.message).\(advice)</li>\n"
    }
    return items.isEmpty ? "" : "<ul class=\"findings\">\n\(items)</ul>\n"
  }

  // MARK: Epochs and events

  /// The columns of the table of epochs: their titles, and the names of the numbers.
  private static let columns: [(title: String, number: String)] = [
    ("epoch", "epoch"), ("train −ELBO", "train.neg_elbo"), ("valid −ELBO", "valid.neg_elbo"),
    ("valid recon", "valid.recon"), ("valid KL", "valid.kl"), ("beta", "beta"), ("active", "active_units"),
    ("gradient norm", "grad_norm"), ("samples/s", "samples_per_second"), ("seconds", "seconds"),
  ]

  private var epochTable: Markup {
    let columns = RunSections.columns.map { EpochNumber.named($0.number) }
    let rows = ReportPictures.chosen(run.epochs, most: RunSections.mostRows).map { row in
      columns.map { column in
        column.recorded(row).map { column.kind == .whole ? "\(Int($0))" : "\($0, .typeset)" } ?? "–"
      }
    }
    guard !rows.isEmpty else { return "" }
    let title =
      rows.count < run.epochs.count
      ? "\(rows.count) of \(run.epochs.count) epochs as a table; all are in epochs.csv" : "The epochs as a table"
    let table = ReportPage.table(RunSections.columns.map(\.title), rows, words: 0)
    return "<details><summary>\(title)</summary>\(table)</details>\n"
  }

  private func pictureNote(hasPaths: Bool) -> Markup {
    let words =
      "Samples are decoded from the same noise every time; reconstructions of validation stand below their originals."
      + (hasPaths
        ? " Interpolations go from one validation sample to another; traversals move one unit of z from −3 to 3, and "
          + "name it with its KL in nats." : "")
    return "<p class=\"note section-note\">\(words)</p>\n"
  }

  private var events: Markup {
    var rows: [(event: RunEvent, times: Int)] = []
    for event in run.events {
      if let last = rows.last, last.event.kind == event.kind, last.event.message == event.message {
        rows[rows.count - 1].times += 1
      } else {
        rows.append((event, 1))
      }
    }
    let left = run.metrics.furtherEvents + max(0, rows.count - RunSections.mostEvents)
    let cells = rows.prefix(RunSections.mostEvents).map { event, times in
      [event.kind + (times > 1 ? " × \(times)" : ""), "\(event.step)", event.message.printable]
    }
    guard !cells.isEmpty else { return "" }
    let more: Markup = left > 0 ? "<p class=\"note\">\(left) more are in metrics.jsonl.</p>\n" : ""
    return ReportPage.table(["event", "step", "what"], cells, words: 3) + more
  }

  // MARK: Configuration and environment

  private var configuration: Markup {
    guard !run.settings.isEmpty else { return "" }
    let usual = usualTexts
    var sections: [(name: Substring, rows: [Markup])] = []
    for (key, value) in run.settings.prefix(500) {
      let parts = key.split(separator: ".", maxSplits: 1), name = parts.count > 1 ? parts[0] : "run"
      let isChanged = usual[key].map { $0 != value } ?? false
      let text: Markup = isChanged ? "<b>\(value.printable)</b>" : "\(value.printable)"
      if sections.last?.name != name { sections.append((name, [])) }
      sections[sections.count - 1].rows.append("<div><dt>\(String(parts.last ?? ""))</dt><dd>\(text)</dd></div>\n")
    }
    let lists = sections.map { section -> Markup in
      "<div><h3>\(String(section.name))</h3><dl>\n\(section.rows)</dl></div>\n"
    }
    let note: Markup =
      usual.isEmpty
      ? ""
      : "<p class=\"note section-note\">Bold is what differs from the preset \(run.configuration?.preset ?? "").</p>\n"
    return note + "<div class=\"settings\">\(lists)</div>\n"
  }

  /// The settings of the run's preset without changes.
  private var usualTexts: [String: String] {
    guard let configuration = run.configuration else { return [:] }
    var usual = Configuration()
    guard (try? usual.apply(preset: configuration.preset)) != nil else { return [:] }
    return usual.texts
  }

  private var environment: Markup {
    let command: Markup = run.command.map { "<pre>\($0.printable)</pre>\n" } ?? ""
    let rows = run.environment.prefix(100).map { key, value -> Markup in
      "<div><dt>\(key.printable.replacingOccurrences(of: "_", with: " "))</dt><dd>\(value.printable)</dd></div>\n"
    }
    return rows.isEmpty ? command : command + "<dl class=\"environment\">\(rows)</dl>\n"
  }
}
