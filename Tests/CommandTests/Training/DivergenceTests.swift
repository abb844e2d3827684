import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of steps that are not finite, which lead to a rollback or to an end with the reason.
  @Suite struct DivergenceTests {
    static let settings = ["--max-epochs", "40", "--checkpoint-every", "2"]
    static let undisturbed: Result<(digest: String, negativeELBO: Double), any Error> = Result {
      let scratch = try Scratch()
      try train(scratch.path + "/run", settings)
      return (try digest(scratch.path + "/run"), try negativeELBO(scratch.path + "/run"))
    }

    static func negativeELBO(_ run: String) throws -> Double {
      let valid = metrics(run, kind: "epoch").last?["valid"] as? [String: Double]
      return try #require(valid?["neg_elbo"])
    }

    @Test(
      "A NaN on one rank is located, and the run continues after a rollback",
      arguments: [(2, 1), (2, 0), (1, 0), (3, 2)])
    func rollback(ranks: Int, bad: Int) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let outcome = try run(training(place, Self.settings + ["--inject-nan", "100:\(bad)"]), ranks: ranks)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.count(of: "step 100 was not finite") == 1, "\(outcome.errors)")

      let lines = metrics(place, kind: "rollback")
      #expect(lines.count == 1)
      let line = try #require(lines.first)
      #expect(line["failing_step"] as? Int == 100 && line["rank"] as? Int == bad && line["attempt"] as? Int == 1)
      #expect(line["step"] as? Int == 96, "back to the newest checkpoint that a finite step has proven")
      #expect(line["operation"] as? String == "input data" && line["learning_rate_factor"] as? Double == 0.5)
      // It is the first of the microbatches of the bad rank, and one sample of its share of the 1,500.
      let microbatch = 8 * bad / ranks
      #expect(line["microbatch"] as? Int == microbatch)
      let samples = try #require(line["samples"] as? [Int])
      #expect(
        samples.count == 1 && samples.allSatisfy { (1500 * microbatch / 8..<1500 * (microbatch + 1) / 8).contains($0) })

      let epochs = metrics(place, kind: "epoch")
      #expect(epochs.prefix(4).allSatisfy { $0["learning_rate"] as? Double == 0.001 && $0["rollbacks"] as? Int == 0 })
      #expect(
        epochs.dropFirst(4).allSatisfy { $0["learning_rate"] as? Double == 0.0005 && $0["rollbacks"] as? Int == 1 })
      expectWholeHistory(place, epochs: 40)

      let expected = try Self.undisturbed.get()
      #expect(try digest(place) != expected.digest)
      #expect(abs(try Self.negativeELBO(place) - expected.negativeELBO) < 1)
    }

    @Test("A rollback before logged epochs leaves each epoch once in the files")
    func history() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(place, ["--max-epochs", "8", "--inject-nan", "100:0"])
      #expect(metrics(place, kind: "rollback").map { $0["step"] as? Int } == [0])
      expectWholeHistory(place, epochs: 8)
    }

    @Test("A rollback gives the same bits on any number of ranks and after a later stop")
    func reproducible() throws {
      let scratch = try Scratch()
      let settings = Self.settings + ["--inject-nan", "100:0"]
      try train(scratch.path + "/one", settings)
      try train(scratch.path + "/three", settings, ranks: 3)
      let stopped = scratch.path + "/stopped"
      let child = try start(training(stopped, settings), ranks: 2)
      try #require(child.wait { metrics(stopped, kind: "epoch").count >= 6 })
      child.send(SIGUSR1)
      try #require(child.wait().status == 75)
      #expect(metrics(stopped, kind: "rollback").count == 1)
      try train(stopped, Self.settings)
      for place in [scratch.path + "/three", stopped] {
        #expect(try digest(scratch.path + "/one") == digest(place))
        #expect(try epochNumbers(scratch.path + "/one") == epochNumbers(place))
      }
    }

    @Test("Validation that is never finite ends a run with a message that names it", arguments: [nil, 2])
    func validation(ranks: Int?) throws {
      let scratch = try Scratch()
      func rows(_ count: Int, last: String) -> [UInt8] {
        Array(((0..<count - 1).map { "\(Double($0 % 7) / 7),0.5\n" } + [last]).joined().utf8)
      }
      let data = try scratch.write("train.csv", rows(64, last: "0.25,0.5\n"))
      // The value is finite, but its square is not.
      let valid = try scratch.write("valid.csv", rows(16, last: "1e20,0.5\n"))
      let place = scratch.path + "/run"
      let outcome = try run(
        training(
          place, ["--data", data, "--valid", valid, "--set", "model.likelihood=gaussian", "--batch-size", "16"]),
        ranks: ranks)
      #expect(outcome.status == 87 && outcome.count(of: "Rolled back to step") == 3, "\(outcome.errors)")
      #expect(outcome.count(of: "rollbacks: first in validation") == 1, "\(outcome.errors)")
    }

    @Test(
      "A run that always diverges gives up with one message and a status that forbids a requeue", arguments: [nil, 3])
    func diverged(ranks: Int?) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let outcome = try run(
        training(place, ["--set", "optimizer.learning_rate=1e9", "--set", "optimizer.clip_norm=0"]), ranks: ranks)
      #expect(outcome.status == 87, "\(outcome.errors)")
      #expect(outcome.count(of: "vae-dist: error: diverged: step 2 was not finite again after 3 rollbacks") == 1)
      #expect(outcome.count(of: "Rolled back to step") == 3)
      let status = try status(place)
      #expect(status["state"] as? String == "failed" && status["exit"] as? Int == 87)
      #expect((status["exit_reason"] as? String)?.contains("not finite") == true)
      #expect(
        metrics(place, kind: "rollback").compactMap { $0["learning_rate_factor"] as? Double } == [0.5, 0.25, 0.125])
    }
  }
}
