import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests with too little memory, address space or output space, and with two runs in one directory.
  @Suite struct LimitTests {
    /// Runs `vae-dist` with these arguments in a shell, after the commands in `before`.
    private func shell(
      _ before: String, _ words: String, in directory: String = NSTemporaryDirectory(), limit: Double = 30
    ) throws -> Outcome {
      try Child(
        ["bash", "-c", "\(before) \(binaries)/vae-dist \(words)"], environment: plainEnvironment, directory: directory
      ).wait(limit: limit)
    }

    @Test("Under any limit of the address space a run ends and names the limit")
    func addressSpace() throws {
      var said = 0
      for kilobytes in stride(from: 100_000, through: 1_000_000, by: 75_000) {
        let scratch = try Scratch()
        let outcome = try shell(
          "ulimit -v \(kilobytes);", "train -q --max-epochs 1 --run run --set train.products=openblas",
          in: scratch.path,
          limit: 20)
        if outcome.errors.contains("raise the limit (ulimit -v)") {
          said += 1
          #expect(outcome.status == 1 || outcome.status == 78, "\(outcome.errors)")
        }
        if kilobytes == 1_000_000 { #expect(outcome.status == 0, "\(outcome.errors)") }
      }
      #expect(said >= 1)
    }

    @Test("An evaluation that needs more address space than allowed says how much it needs")
    func evaluation() throws {
      let scratch = try Scratch()
      try train(
        scratch.path + "/run",
        [
          "--max-steps", "1", "--batch-size", "8", "--data", "random:192x192x3", "--set", "model.hidden=[8]", "--set",
          "train.products=openblas",
        ])
      var said = 0
      // Libraries and samples take most of it, and how much depends on the machine.
      for kilobytes in stride(from: 800_000, through: 2_000_000, by: 100_000) where said == 0 {
        let outcome = try shell("ulimit -v \(kilobytes);", "evaluate run -n 40", in: scratch.path, limit: 60)
        guard outcome.errors.contains("this evaluation needs") else { continue }
        said += 1
        #expect(outcome.status == 78 && outcome.errors.contains("raise the limit (ulimit -v)"), "\(outcome.errors)")
      }
      #expect(said == 1)
    }

    @Test("A batch that is larger than the training set is reduced to it with a warning")
    func batch() throws {
      let scratch = try Scratch()
      let outcome = try train(scratch.path + "/run", ["--batch-size", "16777216", "--max-epochs", "2"], ranks: 2)
      #expect(outcome.count(of: "warning: train.batch_size is 16777216, but there are only 1500 training samples") == 1)
      #expect(metrics(scratch.path + "/run").last?["step"] as? Int == 2)
      let dry = try run(["train", "--dry-run", "--batch-size", "16777216", "--microbatch", "16777216"])
      #expect(dry.status == 0 && dry.output.contains("batch       1500 = 1 microbatches of 1500"), "\(dry.output)")
      #expect(dry.count(of: "memory per rank, besides the data") == 1)
    }

    @Test("A model that does not fit into memory is refused before it is allocated", arguments: [nil, 2])
    func model(ranks: Int?) throws {
      let scratch = try Scratch()
      let widths = "[" + Array(repeating: "65536", count: 64).joined(separator: ", ") + "]"
      for arguments in [["--dry-run"], ["--run", scratch.path + "/run"]] {
        let outcome = try run(["train", "--set", "model.hidden=" + widths] + arguments, ranks: ranks, limit: 20)
        #expect(outcome.status == 78 && outcome.count(of: "this training needs") == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("GiB"), "\(outcome.errors)")
      }
      #expect(snapshot(scratch.path).isEmpty)
    }

    @Test(
      "Too little shared memory is reported before it is used",
      .enabled("a /dev/shm of one's own takes a privileged root") { geteuid() == 0 })
    func sharedMemory() throws {
      let scratch = try Scratch()
      let program = "\(mpirun(2).joined(separator: " ")) \(binaries)/vae-dist train -q --max-steps 1"
      let model = "--set 'model.hidden=[1500, 1500]' --set monitor.pictures_every=0"
      func outcome(_ more: String) throws -> Outcome {
        let command = "mount -t tmpfs -o size=24m tmpfs /dev/shm && \(program) \(model) \(more)"
        return try Child(
          ["unshare", "-m", "bash", "-c", command], environment: plainEnvironment, directory: scratch.path
        ).wait()
      }
      let refused = try outcome("--run a")
      #expect(refused.status == 78 && refused.count(of: "/dev/shm has") == 1, "\(refused.errors)")
      #expect(refused.errors.contains("--shm-size") && refused.errors.contains("train.exchange=messages"))
      let messages = try outcome("--run b --set train.exchange=messages")
      #expect(messages.status == 0, "\(messages.errors)")
    }

    @Test("A result that cannot be written to standard output gives status 74")
    func results() throws {
      let scratch = try Scratch()
      try train(scratch.path + "/run", ["--max-epochs", "1"])
      for words in [
        "train --print-config", "train --print-options", "train --dry-run", "inspect run", "inspect run --json",
        "--help",
        "train --help", "--version", "bench step --preset digits",
      ] {
        let outcome = try shell("", words + " > /dev/full", in: scratch.path)
        #expect(outcome.status == 74, "\(words): \(outcome.errors)")
        #expect(outcome.count(of: "standard output cannot be written: No space left on device") == 1, "\(words)")
        if words.hasPrefix("bench") { continue }
        let cut = try shell("", words + " | head -c 1 > /dev/null; exit ${PIPESTATUS[0]}", in: scratch.path)
        #expect(cut.status == 0 && cut.errors.isEmpty, "\(words): \(cut.errors)")
      }
    }

    @Test("A second run in a directory is refused, but takes over after kill -9 of the first", arguments: [nil, 2])
    func lock(ranks: Int?) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let endless = training(place, ["--max-epochs", "1000000"])
      let child = try start(endless, ranks: ranks)
      try #require(child.wait { metrics(place, kind: "epoch").count > 0 })
      let owner = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: place + "/lock")))
          as? [String: Any])
      let process = try #require(owner["pid"] as? Int)
      let second = try run(endless, ranks: ranks)
      #expect(second.status == 73, "\(second.errors)")
      let name = "another training runs in it: process \(process) on \(machineName)"
      #expect(second.count(of: name) == 1 && second.errors.contains(", since 20"), "\(second.errors)")
      kill(pid_t(process), SIGKILL)
      #expect(child.wait().status == 137)
      #expect(FileManager.default.fileExists(atPath: place + "/lock"))
      let next = try start(endless, ranks: ranks)
      try #require(next.wait { next.errors.contains("took over the lock of process \(process)") }, "\(next.errors)")
      next.send(SIGUSR1)
      #expect(next.wait().status == 75)
      #expect(!FileManager.default.fileExists(atPath: place + "/lock"))
      let third = try run(training(place, ["--max-epochs", "1"]))
      #expect(third.count(of: "took over") == 0)
    }
  }
}
