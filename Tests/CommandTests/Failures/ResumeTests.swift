import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// A run that was stopped and resumed ends with the same bits as one that never stopped.
  @Suite struct ResumeTests {
    static let epochs = 50
    static let settings = ["--max-epochs", "\(epochs)", "--set", "model.dropout=0.1", "--checkpoint-every", "7"]

    /// The result of the same run without a stop.
    static let undisturbed: Result<(digest: String, epochs: [String]), any Error> = Result {
      let scratch = try Scratch()
      try train(scratch.path + "/run", settings)
      return (try digest(scratch.path + "/run"), try epochNumbers(scratch.path + "/run"))
    }

    private func expectSame(_ place: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
      let expected = try Self.undisturbed.get()
      #expect(try digest(place) == expected.digest, sourceLocation: sourceLocation)
      #expect(try epochNumbers(place) == expected.epochs, sourceLocation: sourceLocation)
      expectWholeHistory(place, epochs: Self.epochs, sourceLocation: sourceLocation)
      #expect(try status(place)["state"] as? String == "finished", sourceLocation: sourceLocation)
    }

    /// Starts a run, waits for an epoch, sends a signal, and expects that it stops with a checkpoint and status 75.
    private func stop(
      _ place: String, after epoch: Int, with signal: Int32, ranks: Int?,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let child = try start(training(place, Self.settings), ranks: ranks)
      let came = child.wait { metrics(place, kind: "epoch").count >= epoch }
      try #require(came, "\(child.wait(limit: 1).errors)", sourceLocation: sourceLocation)
      child.send(signal)
      let outcome = child.wait(sourceLocation: sourceLocation)
      #expect(outcome.status == 75, "\(outcome.errors)", sourceLocation: sourceLocation)
      let last = try #require(metrics(place).last, sourceLocation: sourceLocation)
      #expect(
        last["kind"] as? String == "stop" && last["reason"] as? String == "signal", "\(last)",
        sourceLocation: sourceLocation)
      let step = try #require(last["step"] as? Int, sourceLocation: sourceLocation)
      #expect(step >= 24 * epoch && step < 24 * Self.epochs, "stopped at \(step)", sourceLocation: sourceLocation)
      #expect(try status(place)["state"] as? String == "stopped", sourceLocation: sourceLocation)
      #expect(
        FileManager.default.fileExists(atPath: place + "/checkpoints/last/state.json"), sourceLocation: sourceLocation)
    }

    @Test("A run that is stopped twice by SIGUSR1 to mpirun and resumed with other ranks ends with the same bits")
    func mpirunSignal() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try stop(place, after: 2, with: SIGUSR1, ranks: 2)
      try stop(place, after: 12, with: SIGUSR1, ranks: 3)
      try train(place, Self.settings)
      try expectSame(place)
      let resumed = metrics(place, kind: "resume").compactMap { $0["step"] as? Int }
      let stopped = metrics(place, kind: "stop").compactMap { $0["step"] as? Int }
      #expect(resumed.count == 2 && Array(stopped.dropLast()) == resumed, "stopped \(stopped), resumed \(resumed)")
    }

    @Test("A run of one process that is stopped by a signal resumes to the same bits", arguments: [SIGTERM, SIGUSR1])
    func processSignal(signal: Int32) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try stop(place, after: 3, with: signal, ranks: nil)
      try train(place, Self.settings, ranks: 2)
      try expectSame(place)
    }

    @Test("A run that gets SIGUSR1 while it starts stops and can be resumed")
    func earlySignal() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let child = try start(training(place, Self.settings))
      let isReady = child.wait {
        let path = "/proc/\(child.identifier)/status"
        let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }?.split(separator: "\t").last
        return line.flatMap { UInt64($0, radix: 16) }.map { $0 & (1 << UInt64(SIGUSR1 - 1)) != 0 } ?? false
      }
      try #require(isReady)
      child.send(SIGUSR1)
      #expect(child.wait().status == 75)
      #expect((metrics(place).last?["step"] as? Int ?? 0) < 24 * Self.epochs)
      try train(place, Self.settings)
      try expectSame(place)
    }

    @Test("A run that stops at the end or in the middle of an epoch resumes to the same bits")
    func steps() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      // The schedules of a run are planned for the steps that it begins with, so it must begin with all of them.
      let beta = ["--set", "objective.beta.warmup=2"]
      try train(scratch.path + "/whole", ["--max-epochs", "9"] + beta)
      let expected = try (digest(scratch.path + "/whole"), epochNumbers(scratch.path + "/whole"))
      try train(place, ["--max-epochs", "3"] + beta, ranks: 2)
      try train(place, ["--max-epochs", "9", "--max-steps", "100"] + beta)
      let outcome = try train(place, ["--max-epochs", "9"] + beta, ranks: 2)
      #expect(outcome.count(of: "schedules stay planned for the 72 steps") == 1, "\(outcome.errors)")
      #expect(try digest(place) == expected.0)
      // The line of a partial epoch is replaced by that of the whole epoch.
      #expect(try epochNumbers(place) == expected.1)
      expectWholeHistory(place, epochs: 9)
    }

    @Test("A run that is stopped by --max-time again and again ends with the same bits")
    func maxTime() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      // The run is resumed until it ends. Checkpoints slow it down, so that each part is short.
      let arguments = Self.settings + ["--max-time", "0.5s", "--set", "checkpoint.every_steps=10"]
      var last = -1
      for turn in 0..<40 {
        let outcome = try run(training(place, arguments), ranks: turn % 2 == 0 ? 2 : nil)
        let step = try #require(metrics(place).last?["step"] as? Int)
        #expect(step > last)
        last = step
        if outcome.status == 0 { break }
        try #require(outcome.status == 75, "\(outcome.errors)")
        #expect(metrics(place).last?["reason"] as? String == "max_time")
        #expect(try status(place)["exit_reason"] as? String == "max_time")
      }
      #expect(metrics(place, kind: "resume").count >= 1)
      try expectSame(place)
    }

    @Test("A finished run says so and changes nothing, and continues with more epochs")
    func finished() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(place, ["--max-epochs", "2"])
      let before = snapshot(place)
      for ranks in [nil, 2] {
        let again = try run(training(place, ["--max-epochs", "2"]), ranks: ranks)
        #expect(again.status == 0)
        #expect(
          again.count(of: "nothing left to train: 48 steps are done, and the limit is 48") == 1, "\(again.errors)")
        #expect(again.count(of: "--max-epochs") == 1, "\(again.errors)")
        #expect(snapshot(place) == before)
      }
      let copy = try run(training(scratch.path + "/copy", ["--max-epochs", "2", "--resume", place]), ranks: 2)
      #expect(copy.status == 64 && copy.count(of: "nothing left to train") == 1, "\(copy.errors)")
      #expect(!FileManager.default.fileExists(atPath: scratch.path + "/copy"))

      let fresh = try run(training(place, ["--max-epochs", "3", "--resume", "none"]), ranks: 2)
      #expect(fresh.status == 73 && fresh.count(of: "it contains a run already") == 1, "\(fresh.errors)")
      #expect(snapshot(place) == before)

      try train(place, ["--max-epochs", "4"])
      expectWholeHistory(place, epochs: 4)
      #expect(metrics(place, kind: "resume").map { $0["step"] as? Int } == [48])
    }

    @Test("A run that is killed after its last checkpoint can be completed", arguments: [nil, 2])
    func cutOff(ranks: Int?) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(place, ["--max-epochs", "2"])
      // These are the files as they were when it was killed.
      let file = place + "/metrics.jsonl"
      let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").dropLast()
      try (lines.joined(separator: "\n") + "\n").write(toFile: file, atomically: true, encoding: .utf8)
      try #"{"state": "training", "step": 48, "epoch": 2}"#
        .write(toFile: place + "/status.json", atomically: true, encoding: .utf8)
      try train(place, ["--max-epochs", "2"], ranks: ranks)
      #expect(metrics(place).map { $0["kind"] as? String }.suffix(2) == ["resume", "stop"])
      #expect(try status(place)["state"] as? String == "finished")
      expectWholeHistory(place, epochs: 2)
    }

    @Test("A run can be resumed from another run directory or one of its checkpoints")
    func paths() throws {
      let scratch = try Scratch()
      let first = scratch.path + "/first"
      try train(first, ["--max-epochs", "4", "--checkpoint-every", "2"])
      let before = snapshot(first)
      for (name, path, step) in [
        ("run", first, 96), ("folder", first + "/checkpoints", 96), ("last", first + "/checkpoints/last", 96),
        ("one", first + "/checkpoints/step-00000048/", 48),
      ] {
        let place = "\(scratch.path)/\(name)"
        try train(place, ["--max-epochs", "6", "--resume", path], ranks: name == "one" ? 2 : nil)
        #expect(metrics(place, kind: "resume").map { $0["step"] as? Int } == [step])
        #expect(metrics(place, kind: "epoch").map { $0["epoch"] as? Int } == Array(step / 24 + 1...6))
      }
      // All of them are the same training: four epochs with the schedules of the first run, and then two more.
      let digests = try Set(["run", "folder", "last", "one"].map { try digest("\(scratch.path)/\($0)") })
      #expect(digests.count == 1)
      #expect(snapshot(first) == before, "a run that others begin from is only read")
      // Without --run, a run resumes in its own directory.
      let own = try run(["train", "-q", "--resume", first, "--max-epochs", "5", "--set", "model.hidden=[32]"])
      #expect(own.status == 0, "\(own.errors)")
      #expect(metrics(first, kind: "epoch").count == 5)

      let missing = try run(training(scratch.path + "/none", ["--resume", scratch.path + "/nowhere"]), ranks: 2)
      #expect(missing.status == 66 && missing.count(of: "no checkpoint to resume from") == 1, "\(missing.errors)")
    }

    @Test("Settings that would change the result of a resumed run are refused by name")
    func refused() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(place, ["--max-epochs", "2"])
      let before = snapshot(place)
      for (arguments, name) in [
        (["--seed", "9"], "train.seed was 1, is 9"), (["--batch-size", "32"], "train.batch_size was 64, is 32"),
        (["--microbatch", "16"], "microbatch was 8, is 16"), (["--valid", "0.3"], "training samples was 1500"),
        (["--set", "model.hidden=[48]"], "model.hidden was"), (["--set", "model.latent=3"], "model.latent was"),
      ] {
        let outcome = try run(
          training(place, ["--max-epochs", "3"] + arguments), ranks: name.contains("seed") ? 2 : nil)
        #expect([65, 78].contains(outcome.status), "\(arguments): \(outcome.errors)")
        #expect(
          outcome.count(of: "vae-dist: error:") == 1 && outcome.errors.contains(name), "\(arguments): \(outcome.errors)"
        )
        #expect(snapshot(place) == before, "\(arguments)")
      }
    }
  }
}
