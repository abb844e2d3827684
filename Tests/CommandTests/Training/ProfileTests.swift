import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of `train --profile`, which writes a file for other tools.
  @Suite struct ProfileTests {
    private struct Event {
      var rank: Int
      var phase: String
      var step: Int
      var began: Double
      var ended: Double
    }

    private func trace(_ run: String) throws -> (about: [String: Any], rows: [[Event]]) {
      let data = try Data(contentsOf: URL(fileURLWithPath: run + "/trace.json"))
      let file = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      let all = try #require(file["traceEvents"] as? [[String: Any]])
      let about = try #require(file["otherData"] as? [String: Any])
      let names = all.filter { $0["name"] as? String == "thread_name" }
      let titles = names.map { ($0["args"] as? [String: String])?["name"] }
      #expect(titles == names.indices.map { "rank \($0)" })
      let hosts = all.filter { $0["name"] as? String == "process_name" }
      #expect(hosts.count == 1 && (hosts[0]["args"] as? [String: String])?["name"] == machineName)
      var rows = [[Event]](repeating: [], count: names.count)
      for event in all where event["ph"] as? String == "X" {
        #expect(event["pid"] as? Int == 0)
        let began = try #require(event["ts"] as? Double), length = try #require(event["dur"] as? Double)
        let rank = try #require(event["tid"] as? Int)
        let arguments = try #require(event["args"] as? [String: Int])
        rows[rank].append(
          Event(
            rank: rank, phase: try #require(event["name"] as? String), step: try #require(arguments["step"]),
            began: began, ended: began + length))
      }
      return (about, rows)
    }

    @Test("All ranks record checkpoints at the same steps, with rollbacks and a resume", arguments: [2, 3])
    func checkpoints(ranks: Int) throws {
      let scratch = try Scratch()
      let settings = ["--max-epochs", "6", "--checkpoint-every", "1", "--set", "checkpoint.every_steps=10"]
      // Step 51 follows a checkpoint immediately. The run goes back before it and passes it again.
      let bad = settings + ["--inject-nan", "51:1"]
      let place = scratch.path + "/run"
      for more in [["--max-steps", "80"], []] {
        try train(place, bad + more + ["--profile"], ranks: ranks)
        let steps = try trace(place).rows.map { row in
          row.filter { $0.phase == "checkpoint" }.map(\.step)
        }
        #expect(steps.allSatisfy { $0 == steps[0] } && steps[0].count > 3, "\(steps)")
      }
      #expect(metrics(place, kind: "rollback").map { $0["step"] as? Int } == [48])
      try train(scratch.path + "/one", settings + ["--inject-nan", "51:0", "--max-steps", "80"])
      try train(scratch.path + "/one", settings)
      #expect(try digest(place) == digest(scratch.path + "/one"))
    }

    @Test("The trace has a row for every rank with phases that follow each other without a gap", arguments: [1, 2])
    func rows(ranks: Int) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(
        place, ["--profile", "--max-epochs", "3", "--set", "monitor.pictures_every=1"], ranks: ranks)
      let (about, rows) = try trace(place)
      #expect(rows.count == ranks && about["ranks"] as? Int == ranks && about["note"] is NSNull)
      #expect(about["dropped"] as? [Int] == [Int](repeating: 0, count: ranks))
      let steps = try #require(metrics(place, kind: "epoch").last?["step"] as? Int)
      for row in rows {
        #expect(row.allSatisfy { $0.ended >= $0.began })
        #expect(zip(row, row.dropFirst()).allSatisfy { abs($0.ended - $1.began) < 0.01 })
        #expect(zip(row, row.dropFirst()).allSatisfy { $0.step <= $1.step })
        // Each update occurs once, with the microbatches of each step and the phases between epochs.
        #expect(row.filter { $0.phase == "update" }.map(\.step) == Array(1...steps))
        for phase in ["data", "forward", "backward", "merge"] {
          #expect(row.count { $0.phase == phase } == 8 / ranks * steps, "\(phase)")
        }
        #expect(row.contains { $0.phase == "validate" } && row.contains { $0.phase == "checkpoint" })
        let sum = row.reduce(0) { $0 + $1.ended - $1.began }
        #expect(abs(sum - (row[row.count - 1].ended - row[0].began)) < 1)
      }
      // There are three epochs, and the embedding at the end.
      #expect(rows[0].count { $0.phase == "pictures" } == 4)
      // All rows have the same time line, to some milliseconds for ranks that share cores. No rank ends a step before
      // another one has begun it.
      let lines = (1...steps).map { step in
        rows.map { row in
          let mine = row.filter { $0.step == step && $0.phase != "validate" && $0.phase != "checkpoint" }
          return (began: mine[0].began, ended: mine.first { $0.phase == "update" }?.ended ?? 0)
        }
      }
      #expect(lines.allSatisfy { step in (step.map(\.began).max() ?? 0) < (step.map(\.ended).min() ?? 0) + 0.01 })
    }

    @Test("A run that is stopped by a signal writes a trace, and a long run keeps the end of its trace and says so")
    func stopped() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let child = try start(
        training(
          place,
          [
            "--profile", "--data", "random:16", "--max-epochs", "100000", "--batch-size", "8",
            "--set", "log.every_steps=1000",
          ]), ranks: 2)
      // There are 20 phases per step, and the buffer has room for 65,536.
      try #require(child.wait(limit: 60) { metrics(place, kind: "step").count >= 4 })
      child.send(SIGUSR1)
      let outcome = child.wait()
      #expect(outcome.status == 75, "\(outcome.errors)")
      let last = try #require(metrics(place, kind: "stop").last?["step"] as? Int)
      let (about, rows) = try trace(place)
      let dropped = try #require(about["dropped"] as? [Int])
      #expect((about["note"] as? String)?.contains("only the last phases") == true)
      for (row, dropped) in zip(rows, dropped) {
        #expect(row.count == 65_536 && dropped > 0)
        #expect(row.last?.step == last && (row.first?.step ?? 0) > 1)
        #expect(zip(row, row.dropFirst()).allSatisfy { abs($0.ended - $1.began) < 0.01 })
      }
    }
  }
}
