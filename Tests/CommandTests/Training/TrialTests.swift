import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of `train --fast-dev-run`, which runs everything once and keeps nothing.
  @Suite struct TrialTests {
    @Test("A trial runs a step, validation, pictures and a checkpoint, and leaves no files", arguments: [1, 3])
    func works(ranks: Int) throws {
      let scratch = try Scratch()
      // The directory that --run names is not touched either.
      let outcome = try run(
        ["train", "--fast-dev-run", "--run", scratch.path + "/run", "--max-epochs", "7"], ranks: ranks,
        environment: ["TMPDIR": scratch.path], in: scratch.path)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let said = outcome.lines.map { $0.split(separator: " ").first ?? "" }
      #expect(said.dropLast() == ["setup", "checkpoint", "step", "validation", "pictures", "checkpoint"])
      // More ranks than cores lead to a warning.
      #expect(said.last == (outcome.errors.contains("warning") ? "see" : "all"), "\(outcome.output)")
      #expect(outcome.lines.dropLast().allSatisfy { $0.contains(/ok  \d+ ms/) }, "\(outcome.output)")
      #expect(outcome.output.contains("step        ok") && outcome.output.contains("64 samples"))
      let left = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
      #expect(!left.contains { $0 == "run" || $0 == "runs" || $0.contains("trial") }, "\(left)")
    }

    @Test("A failure of a trial is reported with its status, and leaves no files")
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
