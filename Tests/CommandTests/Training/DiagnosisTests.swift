import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of the diagnosis of faulty and healthy models, of treatments, and of checks before the first step.
  @Suite struct DiagnosisTests {
    @Test(
      "Each of five planted faults is the first finding, and three healthy models have none (docs/results/diagnosis.md)"
    )
    func diseases() throws {
      let scratch = try Scratch(), table = scratch.path + "/table.md"
      let script = fixtures.appending(path: "../../scripts/diseases").standardizedFileURL.path
      let outcome = try Child(
        [script, "--program", "\(binaries)/vae-dist", "--output", table], environment: plainEnvironment,
        directory: scratch.path
      ).wait(limit: 240)
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      let text = try String(contentsOfFile: table, encoding: .utf8)
      let rows = text.split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst(2).map { row in
        row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      }
      try #require(rows.count == 8 && rows.allSatisfy { $0.count == 5 })
      let named = ["KL switched off", "loss scaling", "KL too heavy", "warm-up too long", "decoder ignores z"]
      #expect(rows.map { $0[2] } == named + Array(repeating: "nothing", count: 3))
      #expect(rows.prefix(5).allSatisfy { $0[4].hasPrefix("`--set ") })
    }

    /// Settings that collapse within five epochs of 24 steps.
    private let ill = [
      "--set", "objective.reconstruction=mean", "--max-epochs", "20", "--set", "checkpoint.every_epochs=1", "--set",
      "checkpoint.keep=100",
    ]

    @Test(
      "A treatment is recorded and limited, and is the same on two ranks and after a resume before or within it",
      arguments: ["restart-annealing", "free-bits"])
    func treatments(kind: String) throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      let settings = ill + ["--set", "monitor.on_collapse=\(kind)", "--set", "monitor.max_treatments=1"]
      try train(place, settings)
      let treated = metrics(place, kind: "treatment")
      try #require(treated.count == 1)
      #expect(treated[0]["treatment"] as? String == kind && treated[0]["epoch"] as? Int == 5)
      let epochs = metrics(place, kind: "epoch")
      let after = try #require(epochs[5]["beta"] as? Double), before = try #require(epochs[4]["beta"] as? Double)
      if kind == "free-bits" {
        let kl = try #require((epochs.last?["valid"] as? [String: Double])?["kl"])
        // Each of ten units has an eighth of a nat that costs nothing.
        #expect(kl > 0.5 && after >= before, "\(kl)")
      } else {
        #expect(after < 0.5 * before, "\(before), \(after)")
        // It must collapse again, which is reported.
        #expect(metrics(place, kind: "collapse").count == 2)
      }
      try train(scratch.path + "/two", settings, ranks: 2)
      #expect(try digest(scratch.path + "/two") == digest(place))
      for epoch in [4, 7] {
        let part = scratch.path + "/from-\(epoch)", step = String(format: "%08d", 24 * epoch)
        let source = try #require(
          try FileManager.default.contentsOfDirectory(atPath: place + "/checkpoints").first { $0.hasSuffix(step) })
        try train(part, settings + ["--resume", "\(place)/checkpoints/\(source)"])
        #expect(try digest(part) == digest(place), "from epoch \(epoch)")
        #expect(metrics(part, kind: "treatment").count == (epoch < 5 ? 1 : 0))
      }
      let fatal = ["--set", "monitor.max_treatments=0", "--set", "monitor.on_collapse=stop"]
      try train(scratch.path + "/stopped", ill + fatal, status: 3)
    }

    @Test("Problems of settings and data are reported once before the first step, with a fix")
    func lint() throws {
      let scratch = try Scratch()
      let arguments = ["--set", "objective.reconstruction=mean", "--set", "model.latent=60", "--max-steps", "30"]
      let dry = try run(["train", "--dry-run"] + arguments)
      #expect(dry.output.contains("loss scaling") && dry.output.contains("--set objective.reconstruction=sum"))
      #expect(dry.output.contains("latent too large"))
      let place = scratch.path + "/run"
      let outcome = try train(place, arguments)
      #expect(outcome.count(of: "loss scaling") == 1 && outcome.count(of: "latent too large") == 1)
      let found = metrics(place, kind: "finding")
      #expect(found.map { $0["cause"] as? String } == ["loss scaling", "latent too large"])
      #expect(found.allSatisfy { $0["severity"] as? String == "warning" && $0["step"] as? Int == 0 })
      let again = try train(place, arguments + ["--max-steps", "40"])
      #expect(again.count(of: "loss scaling") == 0)
      // The same samples are checked on any number of ranks.
      let many = try run(["train", "--dry-run"] + arguments, ranks: 3)
      #expect(many.output.contains("latent too large"))
      let sound = try run(["train", "--dry-run", "--task", "disentanglement"])
      #expect(sound.output.contains("no findings") && sound.output.contains("objective.beta.end is 4.0"))
    }

    @Test("An exploding KL is reported once during training, with its epoch, and recorded")
    func live() throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      let outcome = try train(
        place, ["--max-epochs", "12", "--set", "objective.beta.start=0", "--set", "objective.beta.end=0"])
      #expect(outcome.count(of: "exploding KL") == 1, "\(outcome.errors)")
      let found = metrics(place, kind: "finding").filter { $0["cause"] as? String == "exploding KL" }
      #expect(found.count == 1 && (found[0]["epoch"] as? Int ?? 0) > 1)
      #expect(found[0]["remedy"] as? String == "--set objective.beta.end=1.0")
    }

    @Test("`data inspect` suggests a number of units, and a likelihood for grey pictures")
    func inspecting() throws {
      let digits = try run(["data", "inspect", "digits", "--json"])
      let object = try JSONSerialization.jsonObject(with: Data(digits.output.utf8)) as? [String: Any]
      let components = try #require(object?["components"] as? Int)
      // In scikit-learn's PCA of all 1,797 digits, 41 components explain 99 %.
      #expect((38...43).contains(components), "\(components)")
      #expect((object?["advised"] as? [String: Any])?["likelihood"] as? String == "bernoulli")
      #expect(try run(["data", "inspect", "digits"]).output.contains("model.latent=\(components) at most"))
    }
  }
}
