import RunConfiguration
import Foundation
import Kernels
import TestSupport
import Testing
import Training
@testable import Reporting

/// Tests that `report.html` is complete, correct and safe for any contents of the run directory.
@Suite struct ReportTests {
  @Test("The report of a run has all parts, is well-formed, and loads nothing")
  func whole() throws {
    let run = try PlantedRun(events: [
      #"{"kind": "rollback", "step": 40, "failing_step": 44, "rank": 1, "operation": "exp"}"#,
      #"{"kind": "resume", "step": 150, "ranks": 2}"#, #"{"kind": "warning", "step": 150, "message": "slow disk"}"#,
      #"{"kind": "warning", "step": 150, "message": "slow disk"}"#,
    ])
    try run.write("latent/map.csv", "x,y,label\n0,0,a\n1,2,b\n-1,0.5,a\nnan,inf,b\nbroken\n")
    let (text, page) = try run.page()
    #expect(page.error == nil && page.dangers == [])
    for title in ["Training", "Latent space", "Pictures", "Speed", "Events", "Configuration", "Environment"] {
      #expect(text.contains("<h2>\(title)</h2>"), "\(title)")
    }
    for chart in [
      "−ELBO", "Reconstruction", "KL", "Beta", "Active units", "KL per unit", "Map of the latent space", "Throughput",
      "Waiting", "Time of each rank",
    ] { #expect(text.contains("<h3>\(chart)</h3>"), "\(chart)") }
    // There are samples and reconstructions of three epochs, and the latent map is drawn from its numbers.
    #expect(page.elements.count { $0.attributes["role"] == "img" } == 11 && page.count("img") == 6)
    // Every chart has a unit.
    #expect(text.matches(of: /class="unit"/).count == 11)
    #expect(text.contains("slow disk") && text.contains("warning × 2") && text.contains("first in exp, rank 1"))
    #expect(page.elements.contains { $0.attributes["class"] == "mark rollback" })
    #expect(text.contains("Finished after 30 epochs") && text.contains("at epoch 30, with 6 of 10 units active"))
    #expect(text.contains("active <b>6</b>") && text.contains("inactive <b>4</b>"))
    #expect(text.contains("<dt>latent</dt><dd>10</dd>") && text.contains("node-1"))
    #expect(text.contains("prefers-color-scheme: dark") && text.contains("@media print"))
  }

  @Test("A report has a section only if there is data for it")
  func parts() throws {
    let (text, page) = try PlantedRun(ranks: 1, pictures: 0).page()
    #expect(page.error == nil && !text.contains("<h2>Pictures</h2>") && !text.contains("<h3>Waiting</h3>"))
    #expect(!text.contains("Map of the latent space") && !text.contains("Time of each rank"))
    let empty = try PlantedRun(epochs: 0, state: "training", pictures: 0).page()
    #expect(empty.page.error == nil && !empty.text.contains("<h2>Training</h2>") && empty.text.contains("Cut off"))
    let single = try PlantedRun(epochs: 1).page()
    #expect(single.page.error == nil && single.text.contains("<h3>−ELBO</h3>"))
  }

  @Test(
    "Texts of a run are never interpreted as markup",
    arguments: [
      "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onload='alert(1)",
      "</title><script>alert(1)</script>",
      "]]><svg/onload=alert(1)>", "&lt;&#x3c;", "\u{202e}evil\u{0}\u{1}\u{fffe}", "</style><script>alert(1)</script>",
      "<!--", "javascript:alert(1)",
    ])
  func hostile(text: String) throws {
    let quoted = String(decoding: try JSONEncoder().encode(text), as: UTF8.self)
    // The name of a directory cannot contain a slash.
    let name = text.replacingOccurrences(of: "/", with: "∕").replacingOccurrences(of: "\u{0}", with: "")
    let run = try PlantedRun(
      name: name, state: "failed",
      events: ["warning", "collapse", text].map {
        "{\"kind\": \(String(decoding: (try? JSONEncoder().encode($0)) ?? Data(), as: UTF8.self)), "
          + "\"step\": 1, \"message\": \(quoted)}"
      } + ["{\"kind\": \"resume\", \"step\": 1, \"data\": \(quoted), \"shape\": \(quoted), \"time\": \(quoted)}"])
    try run.write("environment.json", "{\(quoted): \(quoted), \"host\": \(quoted)}")
    try run.write("command.txt", text)
    try run.append("config.yaml", Array("evil: \(text)\n\(text): evil\n".utf8))
    try run.write("status.json", "{\"state\": \"failed\", \"exit_reason\": \(quoted), \"heartbeat\": \(quoted)}")
    try run.write("latent/map.csv", "x,y,label\n0,0,\(text.replacingOccurrences(of: ",", with: ""))\n1,1,b\n")
    try writeFile(Array(text.utf8), at: run.path + "/samples/epoch-00099.png")
    try FileManager.default.copyItem(
      atPath: run.path + "/samples/epoch-00030.png", toPath: run.path + "/samples/\(name).png")
    let (html, page) = try run.page()
    #expect(page.error == nil, "\(page.error ?? "")")
    #expect(page.dangers == [] && page.count("script") == 0)
    #expect(!html.contains("<script") && html.contains("Failed after"))
    let compared = ParsedPage(ReportPage.text([try run.record(), try PlantedRun().record()]))
    #expect(compared.error == nil && compared.dangers == [])
  }

  @Test(
    "Damaged files are reported, and so is the rest of the run",
    arguments: [
      [UInt8]("{\"kind\": \"epoch\", \"epoch\": 31".utf8), [0xff, 0xfe, 0x00, 0x0a],
      [UInt8](repeating: 0x5b, count: 100_000) + [0x0a],
      Array("{\"kind\": \"epoch\", \"epoch\": 99, \"valid\": {\"recon\": 1e308, \"kl\": 1e308}, \"ranks\": -3}\n".utf8),
      Array("{\"kind\": \"epoch\", \"epoch\": 9007199254740991, \"train\": {\"recon\": -1e99}}\n".utf8),
    ])
  func damaged(bytes: [UInt8]) throws {
    let run = try PlantedRun()
    try run.append("metrics.jsonl", bytes)
    let (text, page) = try run.page()
    #expect(page.error == nil && text.contains("<h3>Reconstruction</h3>"))
    for name in ["config.yaml", "status.json", "environment.json", "command.txt", "samples/epoch-00030.png"] {
      let file = run.path + "/" + name
      let whole = Array(FileManager.default.contents(atPath: file) ?? Data())
      for cut in [0, 1, whole.count / 2] {
        try writeFile(Array(whole.prefix(cut)) + bytes, at: file)
        #expect(try run.page().page.error == nil, "\(name) \(cut)")
      }
    }
  }

  @Test("The report of 10,000 epochs with 1,000 units and 1,000 ranks stays small")
  func long() throws {
    let run = try PlantedRun(epochs: 0, units: 1_000, ranks: 1_000, pictures: 0)
    let units = try #require(FileHandle(forWritingAtPath: run.path + "/metrics.jsonl"))
    try units.seekToEnd()
    // Units take most of the file, so only the last epochs have them.
    for epoch in 1...10_000 {
      let valid = 100 + 100 / Double(epoch) + Double(epoch * 7_919 % 100) / 100
      let line = PlantedRun.epoch(epoch, units: epoch > 9_900 ? 1_000 : 1, ranks: 1_000, train: valid, valid: valid)
      try units.write(contentsOf: Data((line + "\n").utf8))
    }
    try units.close()
    for number in 1...200 { try run.picture("samples", 50 * number) }
    let began = ContinuousClock.now
    let (text, page) = try run.page()
    #expect(page.error == nil && page.count("img") == 4)
    #expect(text.utf8.count < 2 << 20, "\(text.utf8.count) bytes")
    #expect(ContinuousClock.now - began < .seconds(30))
  }

  @Test("Pictures that are too large are named instead of embedded")
  func largePictures() throws {
    let run = try PlantedRun(pictures: 0)
    let header: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]
    try FileManager.default.createDirectory(atPath: run.path + "/samples", withIntermediateDirectories: true)
    try writeFile(
      header + [0, 0, 0, 9, 0, 0, 0, 9] + [UInt8](repeating: 1, count: 2 << 20),
      at: run.path + "/samples/epoch-00001.png")
    let (text, page) = try run.page()
    #expect(page.error == nil && page.count("img") == 0 && text.contains("2,048 KiB, left out; see epoch-00001.png"))
  }

  @Test("Selected epochs are evenly spaced and include the first and the last")
  func chosen() {
    #expect(ReportPictures.chosen(Array(1...30), most: 4) == [1, 11, 20, 30])
    #expect(ReportPictures.chosen([7], most: 4) == [7] && ReportPictures.chosen([Int](), most: 4) == [])
    #expect(
      ReportPictures.chosen(Array(1...5), most: 4).count == 4 && ReportPictures.chosen([1, 2, 3], most: 1) == [3])
  }

  // MARK: Verdicts

  private func verdict(_ run: PlantedRun) throws -> Verdict { Verdict(try run.record()) }

  @Test("The trend follows from the last fifth of the epochs")
  func trends() throws {
    let settled = try verdict(PlantedRun(epochs: 50) { 100 + 100 * exp(-Double($0)) })
    #expect(settled.sentence.hasPrefix("Finished after 50 epochs, with validation converged."))
    #expect(settled.next == "nothing calls for a change")
    let falling = try verdict(PlantedRun(epochs: 50) { 200 - Double($0) })
    #expect(falling.sentence.contains("still falling") && falling.next.contains("train.max_epochs"))
    let rising = try verdict(
      PlantedRun(epochs: 50, valid: { 100 + abs(Double($0) - 20) }, train: { 150 - Double($0) }))
    #expect(rising.sentence.contains("rising again since epoch 20") && rising.next.contains("checkpoints/best"))
    #expect(rising.findings.first?.check == "overfitting" && rising.findings.first?.level == .warning)
    // If the training loss rises, too, it is not overfitting.
    let worse = try verdict(PlantedRun(epochs: 50) { 100 + abs(Double($0) - 20) })
    #expect(worse.findings.first?.check == "convergence" && worse.findings.first?.level == .warning)
    #expect(worse.next.contains("a lower optimizer.learning_rate"))
    // By chance, some epoch is the lowest, and the last one is above it.
    var random = Random(state: 3)
    for _ in 0..<20 {
      let noise = (0...100).map { _ in Double.random(in: -0.5...0.5, using: &random) }
      let flat = try verdict(PlantedRun(epochs: 100, pictures: 0) { 100 + 10 * exp(-Double($0)) + noise[$0] })
      #expect(flat.sentence.contains("with validation converged"), "\(flat.sentence)")
    }
    let short = try verdict(PlantedRun(epochs: 3))
    #expect(short.sentence.contains("too few to judge by"))
  }

  @Test("The first finding of a report is how the run ended")
  func ends() throws {
    let stopped = try verdict(PlantedRun(state: "stopped"))
    #expect(
      stopped.sentence.hasPrefix("Stopped by a signal after 30 epochs")
        && stopped.next == "run the same command to go on")
    #expect(try verdict(PlantedRun(state: "failed")).findings.first?.level == .problem)
    #expect(try verdict(PlantedRun(state: "training")).sentence.hasPrefix("Cut off after 30 epochs"))
    let going = try PlantedRun(epochs: 12)
    try going.write(
      "status.json", #"{"state": "training", "heartbeat": "\#(ISO8601DateFormatter().string(from: Date()))"}"#)
    try going.write("config.yaml", Configuration().yaml)
    #expect(try verdict(going).sentence.hasPrefix("Still training, after 12 of 50 epochs"))
  }

  @Test("The report of a run that ended within its first epoch says how far it came")
  func withinTheFirst() throws {
    let run = try PlantedRun(epochs: 0, state: "stopped", pictures: 0)
    try run.write("config.yaml", Configuration().yaml)
    try run.write("status.json", #"{"state": "stopped", "step": 20, "epoch": 0, "exit_reason": "max_time"}"#)
    let sentence = try verdict(run).sentence
    #expect(sentence == "Stopped when its time was up after 20 steps, within the first of 50 epochs.")
  }

  @Test("For a run that ended by monitor.patience, the advice is more patience instead of more epochs")
  func early() throws {
    let run = try PlantedRun(epochs: 50) { 200 - Double($0) }
    var configuration = Configuration()
    (configuration.train.maxEpochs, configuration.monitor.patience) = (200, 7)
    try run.write("config.yaml", configuration.yaml)
    try run.write("status.json", #"{"state": "finished", "exit_reason": "early_stopping"}"#)
    let verdict = try verdict(run)
    #expect(verdict.sentence.hasPrefix("Finished early, by monitor.patience, after 50 of 200 epochs, with validation"))
    #expect(verdict.next == "wait longer: raise monitor.patience (now 7) and run the same command")
  }

  @Test("If checkpoints/best is not the epoch with the lowest -ELBO, the report says which it is and why")
  func kept() throws {
    let run = try PlantedRun()
    let text = try String(contentsOfFile: run.path + "/metrics.jsonl", encoding: .utf8)
    for (epoch, metric, words) in [
      (30, "neg_elbo", nil), (20, "neg_elbo", "checkpoints/best is epoch 20, the best of those that were kept"),
      (20, "recon", "checkpoints/best is epoch 20, the best by recon, with 105.0."),
    ] {
      try run.write(
        "metrics.jsonl", text.replacing("\"epoch\": \(epoch),", with: "\"best\": true, \"epoch\": \(epoch),"))
      var configuration = Configuration()
      configuration.monitor.metric = metric == "recon" ? .reconstruction : .negativeELBO
      try run.write("config.yaml", configuration.yaml)
      let sentence = try verdict(run).sentence
      #expect(sentence.contains("The lowest validation −ELBO is 103.3") && sentence.contains("at epoch 30"))
      #expect(words.map { sentence.contains($0) } ?? !sentence.contains("checkpoints/best"), "\(sentence)")
    }
  }

  @Test("A collapse is reported with its cause and the setting to change")
  func collapse() throws {
    let run = try PlantedRun(
      units: 0,
      events: [
        #"{"kind": "collapse", "step": 50, "message": "posterior collapse: KL 0 nats.\n  likely cause: beta is 100\n"#
          + #"  fix: objective.beta.end: 1.0"}"#
      ])
    let verdict = try verdict(run)
    #expect(verdict.sentence.contains("the posterior has collapsed") && verdict.next == "set objective.beta.end: 1.0")
    let finding = try #require(verdict.findings.first)
    #expect(finding.check == "collapse" && finding.message == "KL 0 nats; likely cause: beta is 100")
    #expect(!verdict.findings.contains { $0.check == "convergence" })
  }

  @Test("A warm-up that did not end, a slow rank and rollbacks are findings")
  func findings() throws {
    let run = try PlantedRun(
      epochs: 5, events: [#"{"kind": "rollback", "step": 2, "failing_step": 3, "operation": "exp"}"#])
    let text = try String(contentsOfFile: run.path + "/metrics.jsonl", encoding: .utf8)
    try run.write("metrics.jsonl", text.replacingOccurrences(of: #""wait_share": 0.04"#, with: #""wait_share": 0.4"#))
    let found = try verdict(run).findings
    #expect(Set(found.filter { $0.level == .warning }.map(\.check)) == ["warm-up", "ranks", "steps"])
    #expect(found.first { $0.check == "ranks" }?.message.contains("rank 1 was the slowest in 5 of 5 epochs") == true)
    // It is as busy as the others, so it is the slowest by chance.
    try run.write(
      "metrics.jsonl",
      text.replacingOccurrences(of: #""wait_share": 0.04"#, with: #""wait_share": 0.4"#)
        .replacingOccurrences(of: #""busy": [1.0, 2.0]"#, with: #""busy": [1.9, 2.0]"#))
    let even = try verdict(run).findings.first { $0.check == "ranks" }
    #expect(even?.message.contains("for no rank in particular") == true)
  }

  // MARK: Several runs

  @Test("A run does not lead if its advantage is smaller than the scatter of its epochs")
  func equals() throws {
    func wave(_ level: Double) -> (Int) -> Double { { level + 0.2 * sin(1.7 * Double($0)) } }
    let runs = try [("a", 100.0), ("b", 100.3), ("c", 103)].map {
      try PlantedRun(name: $0, epochs: 40, pictures: 0, valid: wave($1)).record()
    }
    let text = ReportPage.text(runs)
    #expect(
      text.contains("A (a) has the lowest validation −ELBO, 99.80 nats per sample. B differs from it by less than"))
    #expect(!ReportPage.text([runs[0], runs[2]]).contains("by chance"))
  }

  @Test("A report on several runs has their differences, results, and curves with a legend")
  func compares() throws {
    let runs = try [
      PlantedRun(name: "a", units: 10), PlantedRun(name: "b", units: 20) { 90 + 100 / Double($0) },
      PlantedRun(name: "c", epochs: 12),
    ]
    let text = ReportPage.text(try runs.map { try $0.record() })
    let page = ParsedPage(text)
    #expect(page.error == nil && page.dangers == [])
    #expect(text.contains("<td class=\"name\">model.latent</td><td class=\"name\">10</td><td class=\"name\">20</td>"))
    #expect(!text.contains(">model.hidden</td>") && text.contains("B (b) has the lowest validation −ELBO"))
    for style in ["line s0", "line s1", "line s2"] {
      // There are six charts with a legend each, and a common legend.
      #expect(page.elements.count { $0.attributes["class"] == style } == 13, "\(style)")
    }
    #expect(text.contains("so their nats can be compared"))
    let other = try PlantedRun(name: "d")
    let start = try String(contentsOfFile: other.path + "/metrics.jsonl", encoding: .utf8)
    try other.write("metrics.jsonl", start.replacing("8x8x1", with: "8x8x3").replacing("150,", with: "15,"))
    var grey = Configuration()
    (grey.data.channels, grey.train.overfitBatches) = (1, 2)
    try other.write("config.yaml", grey.yaml)
    let words =
      "data.channels, train.overfit_batches, the shape of a sample, the number of validation samples: their nats"
    #expect(ReportPage.text([try runs[0].record(), try other.record()]).contains(words))
    try runs[1].write(
      "config.yaml",
      try String(contentsOfFile: runs[1].path + "/config.yaml", encoding: .utf8)
        .replacingOccurrences(of: "likelihood: bernoulli", with: "likelihood: laplace"))
    #expect(ReportPage.text(try runs.map { try $0.record() }).contains("They differ in model.likelihood"))
  }
}
