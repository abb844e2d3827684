import RunConfiguration
import Foundation
import TestSupport
import Testing

/// A KL schedule or a further term of the loss, which must not depend on the number of ranks.
struct ObjectiveCase: Sendable, CustomTestStringConvertible {
  let name: String
  let settings: [String]
  var testDescription: String { name }
  var arguments: [String] { settings.flatMap { ["--set", $0] } }
}

extension CommandTests {
  /// Tests of KL schedules that respond to training, and of terms over a microbatch.
  @Suite struct ObjectiveTests {
    static let base = ["--max-epochs", "4", "--batch-size", "50", "--microbatch", "9"]
    static let cases = [
      ObjectiveCase(name: "geco", settings: ["objective.beta.schedule=geco", "objective.beta.target=28"]),
      ObjectiveCase(
        name: "controlvae",
        settings: ["objective.beta.schedule=controlvae", "objective.beta.target=5", "objective.beta.integral=0.01"]),
      ObjectiveCase(
        name: "capacity",
        settings: ["objective.beta.schedule=capacity", "objective.beta.target=5", "objective.beta.end=20"]),
      ObjectiveCase(name: "total correlation", settings: ["objective.total_correlation=5"]),
      ObjectiveCase(name: "MMD", settings: ["objective.mmd=100", "objective.beta.end=0"]),
      ObjectiveCase(name: "a few batches", settings: ["train.overfit_batches=3"]),
    ]

    @Test("Every objective gives the same bits on 1 to 3 ranks and nodes, also after a kill", arguments: cases)
    func ranks(objective: ObjectiveCase) throws {
      let scratch = try Scratch()
      let settings = Self.base + objective.arguments, one = scratch.path + "/one"
      try train(one, settings)
      let expected = try digest(one), epochs = try epochNumbers(one)
      try train(scratch.path + "/plain", Self.base)
      #expect(try digest(scratch.path + "/plain") != expected, "it does something")
      for (ranks, environment) in [(2, [:]), (3, [:]), (3, ["VAE_DIST_NODE_RANKS": "1"])] {
        let place = "\(scratch.path)/\(ranks)-\(environment.count)"
        let outcome = try run(training(place, settings), ranks: ranks, environment: environment)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try digest(place) == expected && epochNumbers(place) == epochs, "\(ranks) ranks, \(environment)")
      }
      let place = scratch.path + "/killed"
      let child = try start(training(place, settings + ["--set", "checkpoint.every_steps=1"]), ranks: 2)
      let enough = objective.name == "a few batches" ? 5 : 40
      try #require(child.wait { metrics(place, kind: "checkpoint").count >= enough }, "\(child.errors)")
      kill(try #require(rankProcess(1, of: child)), SIGKILL)
      #expect(child.wait().status == 137)
      try train(place, settings, ranks: 3)
      #expect(metrics(place, kind: "resume").count == 1)
      #expect(try digest(place) == expected && epochNumbers(place) == epochs)
    }

    private func last(_ place: String, _ name: String) throws -> Double {
      let line = try #require(metrics(place, kind: "epoch").last)
      if let value = line[name] as? Double { return value }
      return try #require((line["train"] as? [String: Double])?[name])
    }

    @Test("GECO, ControlVAE and capacity reach their targets for the reconstruction and the KL")
    func targets() throws {
      let scratch = try Scratch()
      let settings = ["--max-epochs", "120", "--set", "optimizer.learning_rate=0.002"]
      for (target, rate) in [(22.0, "0.3"), (26, "0.3")] {
        let place = "\(scratch.path)/geco-\(target)"
        try train(
          place,
          settings + [
            "--set", "objective.beta.schedule=geco", "--set", "objective.beta.target=\(target)",
            "--set", "objective.beta.rate=\(rate)",
          ])
        #expect(abs(try last(place, "recon") - target) < 0.5)
      }
      for target in [4.0, 8] {
        let place = "\(scratch.path)/pi-\(target)"
        try train(
          place,
          settings + [
            "--set", "objective.beta.schedule=controlvae", "--set", "objective.beta.target=\(target)",
            "--set", "objective.beta.integral=0.002",
          ])
        #expect(abs(try last(place, "kl") - target) < 0.3)
        let capacity = "\(scratch.path)/capacity-\(target)"
        try train(
          capacity,
          settings + [
            "--set", "objective.beta.schedule=capacity", "--set", "objective.beta.target=\(target)",
            "--set", "objective.beta.end=20",
          ])
        #expect(abs(try last(capacity, "kl") - target) < 0.3)
        // This holds in each epoch for either sign of beta. C is at its target after 30 % of the training.
        for line in metrics(capacity, kind: "epoch").dropFirst(40) {
          let valid = try #require(line["valid"] as? [String: Double])
          let loss = try #require(valid["loss"]), recon = try #require(valid["recon"]), kl = try #require(valid["kl"])
          #expect(abs(loss - recon - 20 * abs(kl - target)) < 1e-3)
        }
      }
    }

    @Test(
      "train.overfit_batches learns a few batches by heart or reports that it cannot; every objective allows a trial")
    func overfit() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let settings = ["--overfit-batches", "1", "--batch-size", "50"]
      let good = try train(place, settings + ["--max-epochs", "300", "--set", "objective.beta.end=0.01"], ranks: 2)
      #expect(
        good.count(of: "only the first 50 training samples are used") == 1 && good.count(of: "does not go down") == 0)
      let epochs = metrics(place, kind: "epoch")
      let first = try #require((epochs.first?["train"] as? [String: Double])?["recon"])
      #expect(try last(place, "recon") < first / 2)
      // Training and validation use the same samples, so with a small KL weight their losses are close.
      let valid = try #require((epochs.last?["valid"] as? [String: Double])?["recon"])
      #expect(abs(try last(place, "recon") - valid) < 0.1 * valid)
      let bad = try train(
        scratch.path + "/bad", settings + ["--max-epochs", "12", "--set", "optimizer.learning_rate=1e-9"], ranks: 3)
      #expect(bad.count(of: "it does not go down") == 1, "\(bad.errors)")
      for objective in Self.cases {
        let trial = try run(
          ["train", "--fast-dev-run", "--set", "optimizer.ema=0.99", "--set", "monitor.patience=3"]
            + objective.arguments,
          ranks: 2, environment: ["TMPDIR": scratch.path], in: scratch.path)
        #expect(trial.status == 0 && trial.output.contains("step        ok"), "\(objective.name): \(trial.errors)")
      }
      // A trial accepts a warm-up that is longer than its one step.
      let warm = try run(
        ["train", "--fast-dev-run", "--set", "objective.beta.warmup=5"], environment: ["TMPDIR": scratch.path],
        in: scratch.path)
      #expect(warm.status == 0, "\(warm.errors)")
    }

    @Test("The search for a learning rate suggests the same rate on any number of ranks and leaves no files")
    func findLearningRate() throws {
      let scratch = try Scratch()
      func find(_ arguments: [String], ranks: Int?) throws -> Outcome {
        let outcome = try run(
          ["train", "--find-learning-rate", "--set", "model.hidden=[32]", "--run", scratch.path + "/run"] + arguments,
          ranks: ranks, in: scratch.path)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome
      }
      let text = try find([], ranks: nil)
      #expect(text.output.contains("learning rate") && text.output.contains("suggestion"), "\(text.output)")
      #expect(text.lines.allSatisfy { $0.count <= 100 } && text.count(of: "o") > 0)
      #expect(try find([], ranks: 2).output == text.output)
      let json = try find(["--progress", "json"], ranks: 3)
      let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
      let suggestion = try #require(object["suggestion"] as? Double), steps = object["steps"] as? [[String: Double]]
      #expect((1e-4...0.1).contains(suggestion) && (steps?.count ?? 0) > 100)
      #expect(steps?.first?["learning_rate"] == 1e-6 && object["complete"] as? Bool == true)
      // The result until it had to stop is reported.
      let short = try run(
        ["train", "--find-learning-rate", "--max-time", "0.001s", "--progress", "json"], ranks: 2, in: scratch.path)
      let part = try #require(try JSONSerialization.jsonObject(with: Data(short.output.utf8)) as? [String: Any])
      #expect(short.status == 75 && part["complete"] as? Bool == false, "\(short.errors)")
      #expect((part["steps"] as? [[String: Double]])?.count == 1)
      #expect(snapshot(scratch.path).isEmpty)
      // The suggested rate trains the model.
      try train(scratch.path + "/run", ["--max-epochs", "5", "--set", "optimizer.learning_rate=\(suggestion)"])
    }
  }
}
