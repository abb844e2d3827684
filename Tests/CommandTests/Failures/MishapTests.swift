import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of faults of the disk and the run directory during a run.
  @Suite struct MishapTests {
    /// Starts a run that trains until a signal stops it and writes a checkpoint in each epoch.
    static let endless = ["--max-epochs", "1000000", "--checkpoint-every", "1", "--set", "model.hidden=[256, 128]"]

    private func newest(_ run: String) -> Int { metrics(run, kind: "checkpoint").last?["step"] as? Int ?? -1 }

    /// Stops a run, and expects that it leaves an intact checkpoint.
    private func expectGoodEnd(_ child: Child, _ place: String, sourceLocation: SourceLocation = #_sourceLocation)
      throws -> Outcome
    {
      child.send(SIGUSR1)
      let outcome = child.wait(sourceLocation: sourceLocation)
      #expect(outcome.status == 75, "\(outcome.errors)", sourceLocation: sourceLocation)
      #expect(try digest(place).hasPrefix("sha256:"), sourceLocation: sourceLocation)
      #expect(outcome.count(of: "vae-dist: error:") == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
      #expect(!FileManager.default.fileExists(atPath: place + "/lock"), sourceLocation: sourceLocation)
      return outcome
    }

    @Test("A directory in which no checkpoint can be written is reported before the first step", arguments: [nil, 2])
    func unusable(ranks: Int?) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      try writeFile([1], at: place + "/checkpoints")
      let outcome = try run(training(place, Self.endless), ranks: ranks)
      #expect(outcome.status == 73, "\(outcome.errors)")
      #expect(outcome.count(of: "cannot create the directory \(place)/checkpoints") == 1, "\(outcome.errors)")
      #expect(outcome.count(of: "no checkpoint was written at step") == 0, "\(outcome.errors)")
      #expect(metrics(place, kind: "epoch").isEmpty)
    }

    @Test(
      "A full disk at the start is reported once, with status 74",
      .enabled("mounting a small disk takes a privileged root") { try SmallDisk.works() }, arguments: [nil, 2])
    func fullAtStart(ranks: Int?) throws {
      let disk = try #require(try SmallDisk())
      let outcome = try run(["train", "-q", "--run", disk.path + "/run", "--max-epochs", "4"], ranks: ranks)
      #expect(outcome.status == 74, "\(outcome.errors)")
      // Other files that cannot be written (events, the report) have warnings of their own.
      let errors = outcome.errors.split(separator: "\n").filter { $0.contains("vae-dist: error:") }
      #expect(errors.count == 1 && errors[0].contains("No space left on device"), "\(outcome.errors)")
      #expect(outcome.count(of: "vae-dist: warning:") == 0, "\(outcome.errors)")
      let state = try status(disk.path + "/run")
      #expect(state["state"] as? String == "failed" && state["exit"] as? Int == 74)
      #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path + "/run/checkpoints").isEmpty)
    }

    @Test(
      "When the disk is full, the cause is reported, old checkpoints stay, and a new one follows when there is room",
      .enabled("mounting a small disk takes a privileged root") { try SmallDisk.works() }, arguments: [nil, 2])
    func fills(ranks: Int?) throws {
      let disk = try #require(try SmallDisk(kilobytes: 16_384))
      let place = disk.path + "/run"
      let child = try start(training(place, Self.endless + ["--keep", "1"]), ranks: ranks)
      try #require(child.wait { newest(place) > 0 })
      disk.fill()
      try #require(child.wait { child.errors.contains("warning: no checkpoint was written at step") })
      let before = newest(place)
      #expect(child.errors.contains("No space left on device (free some space"), "\(child.errors)")
      #expect(try digest(place).hasPrefix("sha256:"))
      disk.free()
      try #require(child.wait { newest(place) > before })
      _ = try expectGoodEnd(child, place)
    }

    @Test(
      "When the disk is full at the end, the status is 74 and the failure of the last checkpoint is reported once",
      .enabled("mounting a small disk takes a privileged root") { try SmallDisk.works() }, arguments: [nil, 2])
    func fullAtEnd(ranks: Int?) throws {
      let disk = try #require(try SmallDisk(kilobytes: 16_384))
      let place = disk.path + "/run"
      let child = try start(
        training(
          place, ["--max-epochs", "1000000", "--set", "model.hidden=[256, 128]", "--checkpoint-every", "1000000"]),
        ranks: ranks)
      try #require(child.wait { metrics(place, kind: "epoch").count > 1 })
      disk.fill()
      child.send(SIGUSR1)
      let outcome = child.wait()
      #expect(outcome.status == 74, "\(outcome.errors)")
      // Other files that cannot be written (events, the report) have warnings of their own.
      let errors = outcome.errors.split(separator: "\n").filter { $0.contains("vae-dist: error:") }
      #expect(errors.count == 1 && errors[0].contains("No space left on device"), "\(outcome.errors)")
      #expect(outcome.count(of: "vae-dist: warning: no checkpoint") == 0, "\(outcome.errors)")
      #expect(try digest(place).hasPrefix("sha256:"), "the checkpoint of the start is still there")
    }

    @Test("A run survives that its checkpoints directory is replaced by a file for some time", arguments: [nil, 2])
    func replaced(ranks: Int?) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run", checkpoints = place + "/checkpoints"
      let child = try start(training(place, Self.endless), ranks: ranks)
      try #require(child.wait { newest(place) > 0 })
      #expect(rename(checkpoints, place + "/aside") == 0)
      try writeFile([1], at: checkpoints)
      try #require(child.wait { child.errors.contains("warning: no checkpoint was written at step") })
      #expect(child.errors.contains("cannot create the directory \(checkpoints)"), "\(child.errors)")
      let before = newest(place)
      #expect(unlink(checkpoints) == 0 && rename(place + "/aside", checkpoints) == 0)
      try #require(child.wait { newest(place) > before })
      _ = try expectGoodEnd(child, place)
    }

    @Test("A run directory that is removed or moved away is created again", arguments: [nil, 2], [true, false])
    func removed(ranks: Int?, isMoved: Bool) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let child = try start(training(place, Self.endless), ranks: ranks)
      try #require(child.wait { newest(place) > 0 })
      let before = newest(place)
      #expect(rename(place, scratch.path + "/away") == 0)
      if !isMoved { try FileManager.default.removeItem(atPath: scratch.path + "/away") }
      try #require(child.wait { newest(place) > before }, "\(child.errors)")
      let outcome = try expectGoodEnd(child, place)
      #expect(outcome.count(of: "the run directory \(place) was moved or removed") == 1, "\(outcome.errors)")
      for name in ["config.yaml", "command.txt", "environment.json", "metrics.jsonl", "epochs.csv", "status.json"] {
        #expect(FileManager.default.fileExists(atPath: "\(place)/\(name)"), "\(name)")
      }
      #expect(try status(place)["state"] as? String == "stopped")
    }

    @Test("A run whose directory is removed and cannot be created again ends with status 74", arguments: [nil, 2])
    func gone(ranks: Int?) throws {
      let scratch = try Scratch()
      let parent = scratch.path + "/parent", place = parent + "/run"
      let child = try start(training(place, Self.endless), ranks: ranks)
      try #require(child.wait { newest(place) > 0 })
      #expect(rename(parent, scratch.path + "/away") == 0)
      try writeFile([1], at: parent)
      try #require(child.wait { child.errors.contains("warning: no checkpoint was written at step") })
      child.send(SIGUSR1)
      let outcome = child.wait()
      #expect(outcome.status == 74 && outcome.count(of: "vae-dist: error:") == 1, "\(outcome.errors)")
      #expect(outcome.errors.contains("the run directory cannot be created"), "\(outcome.errors)")
    }

    @Test(
      "A FIFO or directory in place of a file is refused immediately",
      arguments: [
        "metrics.jsonl", "config.yaml", "epochs.csv", "command.txt", "status.json", "environment.json", "lock",
      ])
    func fifo(name: String) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      #expect(mkfifo("\(place)/\(name)", 0o600) == 0)
      let outcome = try run(training(place, ["--max-epochs", "1"]), limit: 20)
      #expect(outcome.status == 73, "\(outcome.errors)")
      #expect(outcome.count(of: "\(place)/\(name) is not a regular file") == 1, "\(outcome.errors)")
    }

    @Test("A checkpoint that contains a FIFO counts as damaged")
    func fifoInCheckpoint() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(place, ["--max-epochs", "2", "--checkpoint-every", "1"])
      for name in ["state.json", "model.safetensors"] {
        let file = place + "/checkpoints/step-00000048/" + name
        #expect(unlink(file) == 0 && mkfifo(file, 0o600) == 0)
        let outcome = try run(training(place, ["--max-epochs", "2"]), limit: 20)
        #expect(outcome.status == 0 && outcome.count(of: "step 48 is damaged") == 1, "\(outcome.errors)")
      }
    }
  }
}

/// A disk in memory. By default it has room for the logs of a run, but not for a model of 400 kB with its moments.
private final class SmallDisk {
  private let scratch: Scratch
  var path: String { scratch.path }

  /// Returns nil if it cannot be mounted.
  init?(kilobytes: Int = 1024) throws {
    scratch = try Scratch()
    guard mount("tmpfs", scratch.path, "tmpfs", 0, "size=\(kilobytes)k") == 0 else { return nil }
  }

  deinit { umount2(path, Int32(MNT_DETACH)) }

  /// Fills the free space, and frees it again.
  func fill() {
    let file = open(path + "/filler", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    let block = [UInt8](repeating: 0, count: 4096)
    while write(file, block, block.count) > 0 {}
    close(file)
  }
  func free() { unlink(path + "/filler") }

  static func works() throws -> Bool { try SmallDisk() != nil }
}
