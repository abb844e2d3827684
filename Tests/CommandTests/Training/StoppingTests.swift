import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of early stopping, the best checkpoint and averaged weights.
  @Suite struct StoppingTests {
    // With this rate, validation becomes worse after some epochs, when the warm-up is over.
    static let patient = [
      "--max-epochs", "200", "--batch-size", "50", "--microbatch", "9", "--checkpoint-every", "7",
      "--set", "optimizer.learning_rate=0.02", "--set", "objective.beta.warmup=2", "--set", "monitor.patience=4",
    ]

    /// The target of the link `best` of a run.
    private func best(_ run: String) throws -> Int {
      let name = try FileManager.default.destinationOfSymbolicLink(atPath: run + "/checkpoints/best")
      #expect(FileManager.default.fileExists(atPath: run + "/checkpoints/best/model.safetensors"))
      return try #require(Int(name.dropFirst(5)))
    }

    private func values(_ run: String, _ name: String) -> [(step: Int, value: Double)] {
      metrics(run, kind: "epoch").compactMap { line in
        guard let step = line["step"] as? Int, let value = (line["valid"] as? [String: Double])?[name] else {
          return nil
        }
        return (step, value)
      }
    }

    @Test("Early stopping keeps the best epoch, is the same on 1 to 3 ranks and after a kill, and can be extended")
    func early() throws {
      let scratch = try Scratch()
      let one = scratch.path + "/one"
      try train(one, Self.patient)
      let epochs = try epochNumbers(one), expected = try digest(one)
      let losses = values(one, "neg_elbo")
      try #require((7..<200).contains(epochs.count), "\(epochs.count) epochs")
      let lowest = try #require(losses.min { $0.value < $1.value })
      #expect(try best(one) == lowest.step)
      #expect(losses.count - 1 - (losses.firstIndex { $0.step == lowest.step } ?? 0) == 4, "four epochs after the best")
      #expect(metrics(one).last?["reason"] as? String == "early_stopping")
      #expect(try status(one)["state"] as? String == "finished")
      #expect(try status(one)["exit_reason"] as? String == "early_stopping")
      for ranks in 2...3 {
        let place = "\(scratch.path)/\(ranks)"
        try train(place, Self.patient, ranks: ranks)
        #expect(try digest(place) == expected && epochNumbers(place) == epochs && best(place) == lowest.step)
      }
      let place = scratch.path + "/killed"
      let child = try start(training(place, Self.patient + ["--set", "checkpoint.every_steps=5"]), ranks: 2)
      try #require(child.wait { metrics(place, kind: "epoch").count >= epochs.count / 2 }, "\(child.errors)")
      kill(try #require(rankProcess(1, of: child)), SIGKILL)
      #expect(child.wait().status == 137)
      try train(place, Self.patient, ranks: 3)
      #expect(try digest(place) == expected && epochNumbers(place) == epochs && best(place) == lowest.step)

      let before = snapshot(one)
      let again = try train(one, Self.patient, ranks: 2)
      #expect(again.count(of: "nothing left to train: it stopped early") == 1, "\(again.errors)")
      #expect(again.count(of: "hint: raise monitor.patience") == 1 && snapshot(one) == before)
      try train(one, Self.patient + ["--set", "monitor.patience=6"])
      #expect(try epochNumbers(one).count > epochs.count)
    }

    @Test("A run keeps its best weights if it ends by a signal, a time limit or a collapse")
    func endings() throws {
      let scratch = try Scratch()
      // Validation is best in the first epochs and then becomes worse.
      let settings = [
        "--max-epochs", "100000", "--checkpoint-every", "1", "--set", "checkpoint.keep=1",
        "--set", "optimizer.learning_rate=0.02",
      ]
      func expectBest(_ place: String) throws {
        let lowest = try #require(values(place, "neg_elbo").min { $0.value < $1.value })
        #expect(try best(place) == lowest.step)
      }
      let signalled = scratch.path + "/signal"
      let child = try start(training(signalled, settings), ranks: 2)
      try #require(child.wait { metrics(signalled, kind: "epoch").count >= 20 })
      child.send(SIGUSR1)
      #expect(child.wait().status == 75)
      try expectBest(signalled)
      try train(scratch.path + "/limit", settings + ["--max-steps", "500"])
      try expectBest(scratch.path + "/limit")
      try train(scratch.path + "/time", settings + ["--max-time", "1s"], status: 75)
      try expectBest(scratch.path + "/time")
      let collapsed = scratch.path + "/collapse"
      try train(
        collapsed, settings + ["--fail-on-collapse", "--set", "objective.beta.end=1000", "--max-steps", "20000"],
        status: 3)
      try expectBest(collapsed)
      // Nothing was validated, so the last checkpoint is used as the best.
      let short = scratch.path + "/short"
      try train(short, settings + ["--max-time", "0.001s"], status: 75)
      #expect(try best(short) == metrics(short).last?["step"] as? Int)
    }

    @Test("An unknown metric is refused before the run directory is created")
    func metric() throws {
      let scratch = try Scratch()
      let outcome = try run(training(scratch.path + "/run", ["--set", "monitor.metric=val_loss"]), ranks: 2)
      #expect(outcome.status == 78 && outcome.count(of: "did you mean loss?") == 1, "\(outcome.errors)")
      #expect(snapshot(scratch.path).isEmpty)
    }

    @Test("Averaged weights are the same on 1 to 3 ranks and nodes and after a kill, and do not change training")
    func average() throws {
      let scratch = try Scratch()
      let base = ["--max-epochs", "4", "--batch-size", "50", "--microbatch", "9"]
      let settings = base + ["--set", "optimizer.ema=0.99"]
      try train(scratch.path + "/plain", base)
      try train(scratch.path + "/one", settings)
      let expected = try digest(scratch.path + "/one"), epochs = try epochNumbers(scratch.path + "/one")
      #expect(try digest(scratch.path + "/plain") != expected)
      // The trained weights are the same, but the validated ones are not.
      func trained(_ run: String) -> [Double] {
        metrics(run, kind: "epoch").compactMap { ($0["train"] as? [String: Double])?["recon"] }
      }
      #expect(trained(scratch.path + "/plain") == trained(scratch.path + "/one"))
      #expect(
        values(scratch.path + "/plain", "recon").map(\.value) != values(scratch.path + "/one", "recon").map(\.value))
      for (ranks, more, environment) in [
        (2, [], [:]), (3, ["--set", "optimizer.sharding=none"], [:]), (3, [], ["VAE_DIST_NODE_RANKS": "2"]),
      ] {
        let place = "\(scratch.path)/\(ranks)-\(more.count)-\(environment.count)"
        let outcome = try run(training(place, settings + more), ranks: ranks, environment: environment)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try digest(place) == expected && epochNumbers(place) == epochs, "\(place)")
      }
      let place = scratch.path + "/killed"
      let child = try start(training(place, settings + ["--set", "checkpoint.every_steps=1"]), ranks: 2)
      try #require(child.wait { metrics(place, kind: "checkpoint").count >= 40 }, "\(child.errors)")
      kill(try #require(rankProcess(1, of: child)), SIGKILL)
      #expect(child.wait().status == 137)
      try train(place, settings, ranks: 3)
      #expect(try digest(place) == expected && epochNumbers(place) == epochs)
      // A rollback after a NaN restores both.
      for ranks in [1, 2] {
        try train("\(scratch.path)/nan-\(ranks)", settings + ["--inject-nan", "70:0"], ranks: ranks)
      }
      #expect(try digest(scratch.path + "/nan-1") == digest(scratch.path + "/nan-2"))
    }
  }
}
