import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// `train --fast-dev-run`: everything once, and nothing kept.
  @Suite struct TrialTests {
    @Test("One step, validation, pictures, a checkpoint; nothing is left behind", arguments: [1, 3])
    func works(ranks: Int) throws {
      let scratch = try Scratch()
      // --run is not touched either.
      let outcome = try run(
        ["train", "--fast-dev-run", "--run", scratch.path + "/run", "--max-epochs", "7"], ranks: ranks,
        environment: ["TMPDIR": scratch.path], in: scratch.path)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let said = outcome.lines.map { $0.split(separator: " ").first ?? "" }
      #expect(said.dropLast() == ["setup", "checkpoint", "step", "validation", "pictures", "checkpoint"])
      // More ranks than cores are worth a warning.
      #expect(said.last == (outcome.errors.contains("warning") ? "see" : "all"), "\(outcome.output)")
      #expect(outcome.lines.dropLast().allSatisfy { $0.contains(/ok  \d+ ms/) }, "\(outcome.output)")
      #expect(outcome.output.contains("step        ok") && outcome.output.contains("64 samples"))
      let left = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
      #expect(!left.contains { $0 == "run" || $0 == "runs" || $0.contains("trial") }, "\(left)")
    }

    @Test("What does not work is said, with its status, and nothing is left behind either")
    func fails() throws {
      let scratch = try Scratch()
      let outcome = try run(
        ["train", "--fast-dev-run", "--set", "optimizer.learning_rate=1e9", "--data", scratch.path + "/none.npy"],
        environment: ["TMPDIR": scratch.path], in: scratch.path)
      #expect(outcome.status == 66 && !outcome.output.contains("all works"), "\(outcome.errors)")
      let table = try scratch.write("table.csv", Array("a,b\n1,2\n3,5\n4,9\n8,8\n".utf8))
      let vectors = try run(
        ["train", "--fast-dev-run", "--preset", "tabular", "--data", table], environment: ["TMPDIR": scratch.path],
        in: scratch.path)
      #expect(vectors.status == 0 && !vectors.output.contains("pictures"), "\(vectors.errors)")
      let left = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
      #expect(!left.contains { $0 == "runs" || $0.contains("trial") }, "\(left)")
    }
  }
}
