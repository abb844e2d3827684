import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// A run that is killed at any moment resumes from an intact checkpoint.
  @Suite struct CrashTests {
    static let settings = ["--max-steps", "160", "--set", "model.dropout=0.1", "--batch-size", "60"]
    static let undisturbed: Result<(digest: String, epochs: [String]), any Error> = Result {
      let scratch = try Scratch()
      try train(scratch.path + "/run", settings)
      return (try digest(scratch.path + "/run"), try epochNumbers(scratch.path + "/run"))
    }

    @Test(
      "A run that is killed six times while it writes checkpoints, with other ranks each time, ends with the same bits")
    func killed() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let everyStep = Self.settings + ["--set", "checkpoint.every_steps=1"]
      var last = 0, kills = 0
      for ranks in [1, 2, 3, 1, 2, 1] {
        let child = try start(training(place, everyStep), ranks: ranks == 1 ? nil : ranks)
        // The run is killed a few steps later than before, at a random moment of a step and its checkpoint.
        let target = last + Int.random(in: 1...12)
        let came = child.wait { (metrics(place, kind: "checkpoint").last?["step"] as? Int ?? 0) >= target }
        try #require(came, "\(child.wait(limit: 1).errors)")
        usleep(.random(in: 0..<40_000))
        if ranks == 1 { child.send(SIGKILL) } else { kill(try #require(rankProcess(0, of: child)), SIGKILL) }
        let outcome = child.wait()
        if outcome.status == 0 { break }
        kills += 1
        #expect(outcome.status == 137, "\(outcome.errors)")
        let step = try #require(metrics(place, kind: "checkpoint").last?["step"] as? Int)
        #expect(step >= target)
        last = step
      }
      #expect(kills == 6)
      try train(place, Self.settings, ranks: 2)
      let expected = try Self.undisturbed.get()
      #expect(try digest(place) == expected.digest)
      #expect(try epochNumbers(place) == expected.epochs)
      let resumed = metrics(place, kind: "resume").compactMap { $0["step"] as? Int }
      #expect(resumed.count == 6 && resumed == resumed.sorted(), "\(resumed)")
    }

    @Test("A checkpoint with a flipped bit is reported and skipped, and the run ends with the same bits")
    func damaged() throws {
      for (turn, file) in ["model.safetensors", "optimizer.safetensors", "state.json"].enumerated() {
        let scratch = try Scratch()
        let place = scratch.path + "/run"
        let child = try start(training(place, Self.settings + ["--set", "checkpoint.every_steps=1"]))
        try #require(child.wait { metrics(place, kind: "checkpoint").count >= 10 })
        child.send(SIGUSR1)
        try #require(child.wait().status == 75)
        let step = try #require(metrics(place).last?["step"] as? Int)
        let damaged = "\(place)/checkpoints/last/\(file)"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: damaged))
        bytes[bytes.count * 2 / 3] ^= 4
        try bytes.write(to: URL(fileURLWithPath: damaged).resolvingSymlinksInPath())
        let shown = try run(["inspect", place, "--json"])
        #expect(shown.status == 0 && shown.errors.contains("step \(step) is damaged"), "\(shown.errors)")
        let outcome = try train(place, Self.settings, ranks: turn == 0 ? 2 : nil)
        #expect(
          outcome.count(of: "the checkpoint of step \(step) is damaged and was skipped") == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains(file))
        let resumed = try #require(metrics(place, kind: "resume").last?["step"] as? Int)
        #expect(resumed < step)
        #expect(try digest(place) == Self.undisturbed.get().digest)
        #expect(try epochNumbers(place) == Self.undisturbed.get().epochs)
      }
    }
  }
}
