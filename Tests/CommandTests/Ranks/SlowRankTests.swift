import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of the report on slow ranks.
  @Suite struct SlowRankTests {
    @Test(
      "The report of an epoch names the slowest rank and the share of time that others wait for it", arguments: [0, 1])
    func slowest(slow: Int) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      // There are four microbatches per rank and step.
      let outcome = try run(
        [
          "train", "--run", place, "--set", "model.hidden=[32]", "--max-epochs", "3", "--slow-rank", "\(slow):5",
          "--set", "monitor.pictures_every=0", "--progress", "plain",
        ], ranks: 2)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let lines = metrics(place, kind: "epoch")
      #expect(lines.count == 3 && lines.allSatisfy { $0["slowest_rank"] as? Int == slow })
      for line in lines {
        // One of two ranks waits nearly all the time. On a busy machine, the slow one waits sometimes, too.
        let share = try #require(line["wait_share"] as? Double)
        #expect(share > 0.25 && share < 0.75, "\(share)")
      }
      let table = try String(contentsOfFile: place + "/epochs.csv", encoding: .utf8).split(separator: "\n")
        .map { $0.split(separator: ",") }
      let column = try #require(table[0].firstIndex(of: "slowest_rank"))
      #expect(table[0].contains("wait_share") && table.dropFirst().allSatisfy { $0[column] == "\(slow)" })
      let host = machineName
      #expect(outcome.output.contains(/\ \ wait \d\d% \(slowest/), "\(outcome.output)")
      #expect(outcome.output.contains("(slowest rank \(slow) on \(host))"))
    }

    @Test("A single rank reports no waiting")
    func alone() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let outcome = try run(["train", "--run", place, "--max-epochs", "2", "--slow-rank", "0:1", "--progress", "plain"])
      #expect(outcome.status == 0 && outcome.output.contains("epoch 1/2"), "\(outcome.errors)")
      #expect(!outcome.output.contains("slowest"))
      for line in metrics(place, kind: "epoch") {
        #expect(line["slowest_rank"] as? Int == 0 && (line["wait_share"] as? Double ?? 1) < 0.01)
      }
      for bad in ["1", "0:", ":5", "0:x", "0:-1", "0:1:2"] {
        let refused = try run(training(scratch.path + "/none", ["--slow-rank", bad]))
        #expect(refused.status == 64 && refused.errors.contains("RANK:MILLISECONDS"), "\(bad)")
      }
    }
  }
}
