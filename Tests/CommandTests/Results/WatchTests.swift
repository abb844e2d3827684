import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of `watch` and `runs`.
  @Suite struct WatchTests {
    private func hasCurves(_ text: String) -> Bool {
      text.unicodeScalars.contains { (0x2801...0x28ff).contains($0.value) }
    }

    @Test("`watch` prints the curves of a finished run without colours and exits with status 0")
    func once() throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      try train(place, ["--max-epochs", "5"])
      let outcome = try run(["watch", place, "--once"], environment: ["NO_COLOR": "", "COLUMNS": "90"])
      #expect(outcome.status == 0 && hasCurves(outcome.output), "\(outcome.output)\(outcome.errors)")
      #expect(outcome.output.contains("finished  epoch 5/5") && !outcome.output.contains("\u{1b}"))
      #expect(outcome.lines.allSatisfy { $0.count <= 90 })
      for name in ["recon", "kl", "beta", "active units"] { #expect(outcome.output.contains(name)) }
      // `watch` writes nothing to the run directory.
      let before = snapshot(place)
      #expect(try run(["watch", place]).status == 0)
      #expect(snapshot(place) == before)
    }

    @Test("`watch --wait` follows a run from before its start until its end, with one line per epoch")
    func follows() throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      let watcher = try start(["watch", place, "--wait", "--interval", "0.1"])
      try #require(watcher.wait { watcher.errors.contains("nothing is written yet") })
      let child = try start(training(place, ["--max-epochs", "1000000"]))
      try #require(child.wait { metrics(place, kind: "epoch").count > 20 }, "\(child.errors)")
      #expect(watcher.wait { watcher.output.contains("training  epoch") })
      child.send(SIGUSR1)
      #expect(child.wait().status == 75)
      let outcome = watcher.wait()
      #expect(outcome.status == 75 && hasCurves(outcome.output), "\(outcome.output)\(outcome.errors)")
      #expect(outcome.output.contains("stopped (signal)"))
    }

    @Test("On a terminal, `watch` redraws its screen, in colours unless NO_COLOR is set", arguments: ["", "1"])
    func terminal(noColor: String) throws {
      guard FileManager.default.isExecutableFile(atPath: "/usr/bin/script") else { return }
      let scratch = try Scratch(), place = scratch.path + "/run"
      try train(place, ["--max-epochs", "5"])
      let command = "stty cols 100 rows 30; exec \(binaries)/vae-dist watch \(place)"
      let outcome = try Child(
        ["script", "-qec", command, "/dev/null"],
        environment: plainEnvironment.merging(["NO_COLOR": noColor, "TERM": "xterm"]) { $1 }, directory: scratch.path
      ).wait()
      #expect(outcome.status == 0 && hasCurves(outcome.output), "\(outcome.output)\(outcome.errors)")
      #expect(outcome.output.contains("\u{1b}[H") && outcome.output.contains("\u{1b}[36m") == noColor.isEmpty)
    }

    @Test("`watch` reports a run that died, and refuses a directory that is not a run")
    func died() throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      try train(place, ["--max-epochs", "3"])
      let status = #"{"state": "training", "step": 3, "epoch": 1, "heartbeat": "2020-01-01T00:00:00Z"}"#
      try writeFile(Array(status.utf8), at: place + "/status.json")
      let outcome = try run(["watch", place])
      #expect(outcome.status == 1 && outcome.output.contains("died: no sign of life for"), "\(outcome.output)")
      #expect(try run(["watch", place, "--once"]).status == 0)
      let absent = try run(["watch", scratch.path + "/none"])
      #expect(absent.status == 66 && absent.errors.contains("--wait"), "\(absent.errors)")
    }

    @Test("Hostile contents of a run directory are shown without control characters")
    func hostile() throws {
      let scratch = try Scratch(), place = scratch.path
      try writeFile(
        Array("{\"kind\": \"epoch\", \"epoch\": 1}\n{\u{1b}[2J\n\0\0\n{\"kind\": \"a\\u001b[2Jb\"}\n{".utf8),
        at: place + "/metrics.jsonl")
      try writeFile(
        Array("{\"state\": \"failed\", \"exit_reason\": \"\\u001b]0;x\\u0007\", \"exit\": -5}".utf8),
        at: place + "/status.json")
      try writeFile([0xff, 0xfe, 0, 0x3a], at: place + "/config.yaml")
      for command in [["watch", place], ["watch", place, "--once"], ["runs", "list", place]] {
        let outcome = try run(command)
        #expect(outcome.status == (command.count == 2 ? 1 : 0) && !outcome.output.contains("\u{1b}"), "\(outcome)")
        #expect(outcome.output.contains("failed"))
      }
      let list = try run(["runs", "list", place, "--json"])
      #expect(try JSONSerialization.jsonObject(with: Data(list.output.utf8)) is [Any])
    }

    @Test("`runs` lists runs, and compares them by the settings in which they differ")
    func runs() throws {
      let scratch = try Scratch(), folder = scratch.path
      try train(folder + "/a", ["--max-epochs", "2"])
      try train(folder + "/b", ["--max-epochs", "3", "--set", "model.latent=4"])
      try writeFile([], at: folder + "/stray")
      try FileManager.default.createDirectory(atPath: folder + "/empty", withIntermediateDirectories: false)
      let list = try run(["runs", "list", folder])
      #expect(list.status == 0 && list.lines.count == 3 && list.lines[1].hasPrefix("a "), "\(list.output)")
      #expect(list.lines.dropFirst().allSatisfy { $0.contains("finished") && $0.contains("digits") })
      let listed = try run(["runs", "list", folder, "--json"])
      let found = try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]])
      #expect(found.map { $0["epoch"] as? Int } == [2, 3] && found[1]["state"] as? String == "finished")

      let text = try run(["runs", "compare", folder + "/a", folder + "/b"])
      let words = text.lines.map { $0.split(separator: " ").map(String.init) }
      #expect(text.status == 0 && words[0] == ["a", "b"])
      #expect(words.contains(["model.latent", "10", "4"]) && words.contains(["train.max_epochs", "2", "3"]))
      #expect(!text.output.contains("train.seed") && text.output.contains("valid.neg_elbo"))
      let json = try run(["runs", "compare", folder + "/a", folder + "/b", "--json"])
      let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
      #expect((object?["settings"] as? [String: [String]])?["model.latent"] == ["10", "4"])
      let best = (object?["runs"] as? [[String: Any]])?.map { ($0["best"] as? [String: Any])?["neg_elbo"] as? Double }
      let expected = ["a", "b"].map { name in
        metrics(folder + "/" + name, kind: "epoch").compactMap {
          ($0["valid"] as? [String: Any])?["neg_elbo"] as? Double
        }
        .min()
      }
      #expect(best == expected)
      #expect(try run(["runs", "compare", folder + "/a"]).status == 64)
      #expect(try run(["runs", "list", folder + "/none"]).status == 66)
      #expect(try run(["runs", "list", folder + "/empty"]).output.contains("no runs in"))
    }
  }
}
