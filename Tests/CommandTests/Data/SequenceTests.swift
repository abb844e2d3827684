import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of sequences, from a table in order of time to alarms on a time line.
  @Suite struct SequenceTests {
    /// Two waves with the same period. From row `fault` on, the second one is inverted for 60 rows.
    private func series(_ scratch: Scratch, _ name: String, rows: Int, fault: Int? = nil) throws -> String {
      var random = Random(state: UInt64(rows))
      let noise = random.floats(2 * rows, in: -0.1...0.1)
      let lines = (0..<rows).map { row in
        let phase = Double(row) * Double.pi / 12, isFault = fault.map { ($0..<$0 + 60).contains(row) } ?? false
        let sign = isFault ? -1.0 : 1
        let first = sin(phase) + Double(noise[2 * row])
        let second = sign * sin(phase + 1) + Double(noise[2 * row + 1])
        return "day \(row / 24) hour \(row % 24),\(first),\(second),\(isFault ? 1 : 0)\n"
      }
      return try scratch.write(name, Array(("when,a,b,fault\n" + lines.joined()).utf8))
    }

    @Test("A fault raises exactly one alarm, which is at its place, on any number of ranks")
    func alarms() throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      let normal = try series(scratch, "normal.csv", rows: 1_500)
      let arguments = [
        "--preset", "sequence", "--data", normal, "--set", "data.time=when", "--set", "data.label=fault", "--set",
        "data.window=24", "--set", "train.max_steps=400", "--set", "model.latent=4",
      ]
      try train(place, arguments)
      try train(scratch.path + "/two", arguments, ranks: 2)
      #expect(try digest(scratch.path + "/two") == digest(place))
      #expect(try run(["score", place, "--calibrate"]).status == 0)
      let data = try series(scratch, "new.csv", rows: 1_000, fault: 600)
      let outputs = try [nil, 3].map { ranks in
        let scores = "\(scratch.path)/s\(ranks ?? 1).csv", picture = "\(scratch.path)/t\(ranks ?? 1).png"
        let outcome = try run(["score", place, data, "-o", scores, "--timeline", picture, "--json"], ranks: ranks)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return (
          outcome.output, try String(contentsOfFile: scores, encoding: .utf8),
          try Data(contentsOf: URL(filePath: picture))
        )
      }
      #expect(outputs[0] == outputs[1])
      let report = try #require(try JSONSerialization.jsonObject(with: Data(outputs[0].0.utf8)) as? [String: Any])
      let alarms = try #require(report["alarms"] as? [[String: Any]])
      #expect(alarms.count == 1, "\(alarms)")
      let first = try #require(alarms.first?["first_row"] as? Int),
        last = try #require(alarms.first?["last_row"] as? Int)
      // The alarm consists of windows that overlap with the fault, and misses at most a few rows of it.
      #expect((577...600).contains(first) && (655...682).contains(last), "\(first) \(last)")
      #expect(alarms.first?["first"] as? String == "day \(first / 24) hour \(first % 24)")
      let detection = try #require(report["detection"] as? [String: Any])
      #expect(detection["anomalies"] as? Int == 60 + 23 && (detection["auroc"] as? Double ?? 0) > 0.95)
      let lines = outputs[0].1.split(separator: "\n")
      #expect(lines.count == 1_000 - 23 + 1 && lines[0] == "index,score,anomalous,p_value,first,last")
      #expect(lines[1].hasSuffix(",day 0 hour 0,day 0 hour 23"))
      #expect(outputs[0].2.prefix(4) == Data([0x89, 0x50, 0x4e, 0x47]) && outputs[0].2.count > 5_000)
      let text = try run(["score", place, data])
      #expect(text.errors.contains("alarms     1: ") && text.errors.contains(" to day "), "\(text.errors)")
    }

    @Test(
      "Settings and data that do not allow windows are refused",
      arguments: [
        (["--set", "data.window=2000"], "a sample is a window of 2000"),
        (["--set", "data.time=whence"], "data.time"), (["--set", "data.classes=[1]"], "data.classes selects rows"),
        (["--set", "data.columns=numbers", "--set", "model.likelihood=gaussian"], "are for mixed tables"),
        (["--set", "data.window=0", "--set", "data.stride=2"], "data.stride applies to windows"),
      ] as [([String], String)])
    func refused(arguments: [String], text: String) throws {
      let scratch = try Scratch(), data = try series(scratch, "normal.csv", rows: 100)
      let outcome = try run(training(scratch.path + "/run", ["--preset", "sequence", "--data", data] + arguments))
      #expect(outcome.status != 0 && outcome.errors.contains(text), "\(outcome.errors)")
      let digits = scratch.path + "/digits"
      try train(digits, ["--max-steps", "1"])
      let plain = try run(["score", digits, "digits", "--timeline", scratch.path + "/t.png"])
      #expect(plain.status == 64 && plain.errors.contains("--timeline"))
    }
  }
}
