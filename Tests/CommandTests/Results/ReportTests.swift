import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of the report that training writes, and of `report` for one run and for several.
  @Suite struct ReportTests {
    private func page(_ path: String) -> String {
      String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    @Test("Training writes a report at its end, on any number of ranks", arguments: [nil, 3])
    func atTheEnd(ranks: Int?) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let settings = ["--max-epochs", "6", "--set", "monitor.pictures_every=3"]
      try train(place, settings, ranks: ranks)
      let html = page(place + "/report.html")
      let parts = ["Finished after 6 epochs", "<h3>KL per unit</h3>", "<h3>Time of each rank</h3>"]
      #expect(parts.map { html.contains($0) } == [true, true, ranks != nil])
      // The page shows samples and reconstructions of two epochs each, and the last interpolations and traversals.
      let pictures = html.matches(of: /data:image\/png;base64,iVBOR/).count
      #expect(pictures == 6)
      let line = try #require(metrics(place, kind: "epoch").last)
      let seconds = try #require(line["rank_seconds"] as? [String: Any])
      #expect(
        (seconds["busy"] as? [Double])?.count == ranks ?? 1 && (seconds["wait"] as? [Double])?.count == ranks ?? 1)
      #expect((line["variance_per_unit"] as? [Double])?.count == (line["kl_per_unit"] as? [Double])?.count)
      let start = try #require(metrics(place, kind: "start").first)
      #expect(start["ranks"] as? Int == ranks ?? 1 && start["total_steps"] as? Int == line["step"] as? Int)
    }

    @Test("The report of a resumed run says so, and that of a failed run names the failure")
    func histories() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      // Checkpoints slow it down, so that it cannot end within its time limit.
      try train(
        place, ["--max-epochs", "200", "--max-time", "0.3s", "--set", "checkpoint.every_steps=1"], status: 75)
      let stopped = page(place + "/report.html").contains("Stopped when its time was up")
      #expect(stopped)
      let step = try #require(try status(place)["step"] as? Int)
      try train(place, ["--max-epochs", "200", "--max-steps", "\(step + 50)"], ranks: 2)
      let resumed = page(place + "/report.html").contains("resumed at step \(step) on 2 ranks")
      #expect(resumed)
      let failed = scratch.path + "/failed"
      try train(failed, ["--set", "optimizer.learning_rate=1e9", "--set", "optimizer.clip_norm=0"], status: 87)
      let html = page(failed + "/report.html")
      let parts = ["Failed after", "diverged: step", "was not finite: first in"].map { html.contains($0) }
      #expect(parts == [true, true, true])
    }

    @Test("A report that cannot be written gives a warning, and warnings are recorded in the metrics")
    func cannotBeWritten() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try FileManager.default.createDirectory(atPath: place + "/report.html", withIntermediateDirectories: true)
      let outcome = try train(place, ["--max-epochs", "2"])
      #expect(outcome.errors.contains("warning: no report: ") && outcome.errors.contains("report.html is a directory"))
      #expect(metrics(place, kind: "warning").contains { ($0["message"] as? String)?.contains("no report") == true })
      #expect(try status(place)["state"] as? String == "finished")
    }

    @Test("`report` writes a page for one run or for several")
    func onDemand() throws {
      let scratch = try Scratch()
      let (a, b) = (scratch.path + "/a", scratch.path + "/b")
      try train(a, ["--max-epochs", "3"])
      try train(b, ["--max-epochs", "3", "--set", "model.latent=3"])
      try FileManager.default.removeItem(atPath: a + "/report.html")
      let one = try run(["report", a])
      #expect(one.status == 0 && one.output == a + "/report.html\n" && one.errors.isEmpty, "\(one.errors)")
      #expect(page(a + "/report.html").contains("Finished after 3 epochs"))
      let several = try run(["report", a, b, "-o", scratch.path + "/both.html"])
      #expect(several.status == 0 && page(scratch.path + "/both.html").contains("2 runs side by side"))
      #expect(page(scratch.path + "/both.html").contains(">model.latent</td>"))
      for (arguments, status, words) in [
        (["report", a, b], 64, "-o FILE"), (["report", scratch.path], 66, "there is no run in it"),
        (["report", a + "/nowhere"], 66, "there is no run in it"), (["report"], 64, "run"),
        (["report", a, "-o", scratch.path + "/no/where.html"], 73, "where.html"),
      ] {
        let refused = try run(arguments)
        #expect(refused.status == Int32(status) && refused.errors.contains(words), "\(arguments): \(refused.errors)")
      }
      // Damage is reported, and so is the rest of the run.
      try "not a line\n".write(toFile: b + "/metrics.jsonl", atomically: true, encoding: .utf8)
      let damaged = try run(["report", b])
      #expect(damaged.status == 0 && damaged.errors.contains("1 damaged line"))
    }
  }
}
