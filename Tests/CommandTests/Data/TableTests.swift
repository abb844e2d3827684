import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of tables with numbers, words and missing values, from CSV files to generated rows.
  @Suite struct TableTests {
    /// 400 rows with a number, another number and a word that depend on it, missing values, and names of the rows.
    private func table(_ scratch: Scratch) throws -> String {
      var lines = ["id,speed,power,kind,fault"], state: UInt64 = 9
      func uniform() -> Double {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Double(state >> 11) / Double(1 << 53)
      }
      for i in 0..<400 {
        let speed = 10 + 5 * uniform(), power = speed * speed + 10 * uniform()
        let kind = speed > 13 ? "fast" : uniform() < 0.2 ? "\"slow, old\"" : "slow"
        let gap = i % 9
        lines.append("r\(i),\(gap == 0 ? "" : "\(speed)"),\(power),\(gap == 4 ? "NA" : kind),\(i % 50 == 0 ? 1 : 0)")
      }
      return try scratch.write("table.csv", Array(lines.joined(separator: "\n").utf8))
    }

    private func arguments(_ table: String) -> [String] {
      [
        "--preset", "tabular", "--data", table, "--set", "data.label=fault", "--set", "data.drop=[id]", "--set",
        "model.latent=2", "--max-steps", "400",
      ]
    }

    @Test("Training on a table gives the same model on 1, 2 and 3 ranks, which has learned how columns are related")
    func training() throws {
      let scratch = try Scratch(), data = try table(scratch), place = scratch.path + "/run"
      try train(place, arguments(data))
      for ranks in [2, 3] {
        try train(scratch.path + "/\(ranks)", arguments(data), ranks: ranks)
        #expect(try digest(scratch.path + "/\(ranks)") == digest(place))
      }
      let epochs = metrics(place, kind: "epoch")
      func recon(_ epoch: [String: Any]?) throws -> Double {
        try #require((epoch?["valid"] as? [String: Any])?["recon"] as? Double)
      }
      #expect(try recon(epochs.last) < 0.8 * recon(epochs.first))
      let reports = try [1, 3].map { try run(["evaluate", place, "--data", data, "--json"], ranks: $0).output }
      #expect(reports[0] == reports[1] && reports[0].contains("\"active_units\""))
      #expect(!reports[0].contains("nan"))
      let made = scratch.path + "/made.csv"
      _ = try run(["sample", place, "-n", "50", "-o", made])
      let lines = try String(contentsOfFile: made, encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 51 && lines[0] == "speed,power,kind")
      #expect(lines.dropFirst().allSatisfy { $0.hasSuffix("fast") || $0.hasSuffix("slow") || $0.hasSuffix("old\"") })
    }

    @Test("A file with other columns is refused with their names, and a run resumes with its own columns")
    func otherFiles() throws {
      let scratch = try Scratch(), data = try table(scratch), place = scratch.path + "/run"
      try train(place, arguments(data) + ["--max-epochs", "2"])
      let other = try scratch.write("o.csv", Array("power,speed,colour\n1,2,red\n3,4,blue\n".utf8))
      let refused = try run(["evaluate", place, "--data", other])
      #expect(refused.status == 65)
      #expect(refused.errors.contains("has no column 'kind'") && refused.errors.contains("speed, power, kind"))
      let fewer = try scratch.write("f.csv", Array("kind,power,speed\nslow,1,2\nnew,3,\nfast,9,3\n".utf8))
      #expect(try run(["evaluate", place, "--data", fewer]).output.contains("3 samples"))
      let words = try run(["train", "--data", data, "--run", scratch.path + "/no", "--set", "data.drop=[id]"])
      #expect(words.status == 78)
      #expect(words.errors.contains("data.columns=mixed"))
      try train(place, arguments(data) + ["--max-epochs", "3"])
      #expect(metrics(place, kind: "resume").count == 1)
    }
  }
}
