import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of `augment`: accepted rows, refused rows, and the files that are written for both.
  @Suite struct AugmentTests {
    /// A model of the digits with a likelihood whose draws look like digits.
    private func trained(_ scratch: Scratch, _ arguments: [String] = []) throws -> String {
      let place = scratch.path + "/run"
      try train(
        place,
        [
          "--preset", "digits", "--set", "model.hidden=[256,128]", "--set", "model.likelihood=discretized_logistic",
          "--set", "objective.beta.end=1",
          "--max-epochs", "150",
        ] + arguments)
      return place
    }

    private func json(_ outcome: Outcome) throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    private func bytes(_ path: String) -> Data? { FileManager.default.contents(atPath: path) }

    @Test("A classifier can learn from synthetic digits, which are the same on two ranks and differ by seed")
    func digits() throws {
      let scratch = try Scratch(), place = try trained(scratch), made = scratch.path + "/made.npz"
      let arguments = ["augment", place, "-n", "150", "--per-class", "--around"]
      let outcome = try run(arguments + ["-o", made, "--json"])
      try #require(outcome.status == 0, "\(outcome.errors) \(outcome.output)")
      let report = try json(outcome)
      let classifier = try #require(report["classifier"] as? [String: Any])
      #expect(try #require(classifier["accuracy_synthetic"] as? Double) >= 0.85, "\(classifier)")
      #expect(classifier["tested"] as? Int ?? 0 > 140 && report["rows"] as? Int == 1_500)
      let gate = try #require(report["gate"] as? [String: Any])
      #expect(gate["candidates"] as? Int ?? 0 > 1_500 && gate["real_rows"] as? Int ?? 0 > 140)
      let classes = try #require(report["classes"] as? [[String: Any]])
      #expect(classes.map { $0["label"] as? Int } == Array(0..<10) && classes.allSatisfy { $0["rows"] as? Int == 150 })
      #expect(report["refused"] as? Bool == false && report["forced"] as? Bool == false)

      let page = try String(contentsOfFile: try #require(report["report"] as? String), encoding: .utf8)
      #expect(page.contains("These rows passed") && page.contains("turned away") && page.contains("data:image/png"))
      #expect(!page.contains("<script"))
      let inspected = try run(["data", "inspect", made, "--json"])
      #expect(inspected.status == 0 && inspected.output.contains("\"samples\": 1500"), "\(inspected.output)")

      let again = scratch.path + "/again.npz"
      #expect(try run(arguments + ["-o", again], ranks: 2).status == 0)
      #expect(bytes(again) == bytes(made))
      #expect(try run(arguments + ["-o", again, "--seed", "9"]).status == 0)
      #expect(bytes(again) != bytes(made))
      // The written file is a data set like any other.
      try train(scratch.path + "/on", ["--data", made, "--max-epochs", "1"])
    }

    @Test("A model that is conditioned on classes draws each class from its prior")
    func conditional() throws {
      let scratch = try Scratch(), place = try trained(scratch, ["--set", "model.condition=label"])
      let made = scratch.path + "/made.npz"
      let outcome = try run(["augment", place, "-n", "150", "--per-class", "-o", made, "--json"])
      try #require(outcome.status == 0, "\(outcome.errors) \(outcome.output)")
      let report = try json(outcome)
      let classifier = try #require(report["classifier"] as? [String: Any])
      #expect(try #require(classifier["accuracy_synthetic"] as? Double) >= 0.85, "\(classifier)")
      #expect(report["around"] as? Bool == false && report["rows"] as? Int == 1_500)
    }

    @Test("Rows that hardly differ from their sources are refused, or written and marked with --force")
    func memorised() throws {
      let scratch = try Scratch(),
        place = try trained(
          scratch,
          [
            "--set", "objective.beta.end=0.001", "--max-epochs", "150", "--set", "model.hidden=[256]", "--set",
            "model.latent=40",
          ])
      let made = scratch.path + "/made.npz"
      let arguments = ["augment", place, "-n", "200", "--around", "--width", "0", "--mean", "-o", made, "--json"]
      let refused = try run(arguments)
      #expect(refused.status == 65 && bytes(made) == nil)
      #expect(refused.errors.contains("refused: nothing was written") && refused.errors.contains("--force"))
      let report = try json(refused)
      #expect(report["refused"] as? Bool == true && report["output"] is NSNull)
      let page = scratch.path + "/made-report.html"
      #expect(try String(contentsOfFile: page, encoding: .utf8).contains("Refused: nothing was written"))
      let forced = try run(arguments + ["--force"])
      #expect(forced.status == 0 && bytes(made) != nil)
      #expect(try json(forced)["forced"] as? Bool == true)
      #expect(try String(contentsOfFile: page, encoding: .utf8).contains("Written by force"))
    }

    @Test("The rows of a decoder that ignores z are refused with the reasons")
    func collapsed() throws {
      let scratch = try Scratch()
      let place = try trained(
        scratch,
        [
          "--set", "objective.beta.end=1000", "--set", "data.classes=[3]", "--set", "model.likelihood=gaussian_learned",
          "--max-epochs", "60",
        ])
      let refused = try run(["augment", place, "-n", "100", "--mean", "-o", scratch.path + "/threes", "--json"])
      #expect(refused.status == 65, "\(refused.errors)")
      let findings = try #require(try json(refused)["findings"] as? [[String: Any]])
      let problems = findings.filter { $0["severity"] as? String == "problem" }
      #expect(problems.contains { $0["cause"] as? String == "variety" }, "\(findings)")
      #expect(problems.allSatisfy { $0["remedy"] is String })
      #expect(!FileManager.default.fileExists(atPath: scratch.path + "/threes"))
    }

    @Test("A model of one class draws from its prior, and pictures are written to a folder for each class")
    func oneClass() throws {
      let scratch = try Scratch(),
        place = try trained(
          scratch,
          ["--set", "data.classes=[3]", "--set", "model.hidden=[32]", "--set", "model.latent=3", "--max-epochs", "600"])
      let folder = scratch.path + "/threes"
      let outcome = try run(["augment", place, "-n", "60", "-o", folder])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/3").count == 60)
      let inspected = try run(["data", "inspect", folder])
      #expect(inspected.status == 0 && inspected.output.contains("8x8"), "\(inspected.output)")
      let full = try run(["augment", place, "-n", "60", "-o", folder])
      #expect(full.status == 73 && full.errors.contains("exists already"))
    }

    @Test("Impossible requests are refused before anything is drawn")
    func refusals() throws {
      let scratch = try Scratch(), place = try trained(scratch, ["--max-epochs", "1"])
      let made = scratch.path + "/made.npz"
      let cases: [([String], Int32, String)] = [
        (["-o", made], 64, "use --around, which draws around training rows"),
        (["--width", "2", "-o", made], 64, "--width has no effect without --around"),
        (["--around", "-o", scratch.path + "/made.txt"], 64, "this format is not supported"),
        (["--around", "-o", made, "--data", "shapes:200"], 65, "was trained on"),
        (["--around", "-n", "0", "-o", made], 64, "-n 0"),
      ]
      for (arguments, status, words) in cases {
        let outcome = try run(["augment", place] + arguments)
        #expect(outcome.status == status && outcome.errors.contains(words), "\(arguments) \(outcome.errors)")
      }
      #expect(bytes(made) == nil)
    }

    @Test("Synthetic rows of a table keep its columns, words and whole numbers")
    func table() throws {
      let scratch = try Scratch()
      var random = Random(state: 3), lines = ["kind,count,size,\"the class\""]
      for _ in 0..<900 {
        let isBig = Bool.random(using: &random), size = Float.random(in: 0...1, using: &random) + (isBig ? 3 : 0)
        let count = Int(size * 10) + Int.random(in: 0...3, using: &random)
        let kind = Int.random(in: 0..<5, using: &random) == 0 ? "odd" : isBig ? "big" : "small"
        lines.append("\(kind),\(count),\(size),\(isBig ? "yes" : "no")")
      }
      let data = try scratch.write("table.csv", Array(lines.joined(separator: "\n").utf8))
      let place = scratch.path + "/run", made = scratch.path + "/made.csv"
      try train(
        place,
        [
          "--preset", "tabular", "--data", data, "--valid", "0.3", "--set", "data.label=the class", "--set",
          "model.latent=2", "--max-steps", "1500",
        ])
      let outcome = try run(["augment", place, "-n", "300", "--around", "-o", made, "--json"])
      try #require(outcome.status == 0, "\(outcome.errors) \(outcome.output)")
      let rows = try String(contentsOfFile: made, encoding: .utf8).split(separator: "\n").map {
        $0.split(separator: ",")
      }
      #expect(rows[0] == ["kind", "count", "size", "the class"] && rows.count == 301)
      #expect(rows.dropFirst().allSatisfy { ["odd", "big", "small"].contains($0[0]) && Int($0[1]) != nil })
      #expect(Set(rows.dropFirst().map { $0[3] }) == ["yes", "no"])
      let classifier = try #require(try json(outcome)["classifier"] as? [String: Any])
      #expect(try #require(classifier["accuracy_synthetic"] as? Double) > 0.95, "\(classifier)")
    }
  }
}
