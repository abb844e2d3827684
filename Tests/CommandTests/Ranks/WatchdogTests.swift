import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of ranks that hang, and of ranks that only seem to hang.
  @Suite struct WatchdogTests {
    private func ranks(_ child: Child) throws -> [pid_t] {
      try [0, 1].map { try #require(rankProcess($0, of: child)) }
    }

    @Test("If one rank hangs, the others end the job and report where they wait", arguments: [0, 1])
    func stalled(stopped: Int) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      // The rank is suspended early in an epoch of 1,800 steps, because ranks wait long at the end of an epoch.
      let child = try start(
        training(
          place,
          [
            "--data", "random:28x28", "--batch-size", "2", "--set", "train.watchdog=4s", "--set", "log.every_steps=10",
          ]), ranks: 2)
      try #require(child.wait { metrics(place, kind: "step").count >= 10 })
      let process = try ranks(child)[stopped]
      let began = ContinuousClock.now
      kill(process, SIGSTOP)
      defer { kill(process, SIGKILL) }
      let outcome = child.wait()
      let seconds = (ContinuousClock.now - began) / .seconds(1)
      #expect(outcome.status == 86, "\(outcome.errors)")
      #expect(seconds >= 4 && seconds < 15, "\(seconds) s")
      let line = try #require(outcome.errors.split(separator: "\n").first { $0.contains("stalled") })
      let pattern = /vae-dist: error: rank (\d+) on \S+ stalled: step (\d+), phase (\w+), nothing moved for 4 s.*/
      let match = try #require(line.wholeMatch(of: pattern), "\(line)")
      #expect(match.1 == "\(1 - stopped)")
      #expect(["wait", "reduce"].contains(String(match.3)), "\(line)")
      #expect(try #require(Int(match.2)) > 100)
      #expect(outcome.count(of: "stalled") == 1, "\(outcome.errors)")
    }

    @Test("A job that was suspended as a whole continues")
    func suspended() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let settings = ["--max-epochs", "60", "--set", "train.watchdog=2s"]
      let child = try start(training(place, settings), ranks: 2)
      try #require(child.wait { metrics(place, kind: "epoch").count >= 2 })
      let processes = try ranks(child)
      for process in processes { kill(process, SIGSTOP) }
      sleep(6)
      #expect(metrics(place, kind: "stop").isEmpty)
      for process in processes { kill(process, SIGCONT) }
      let outcome = child.wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
      expectWholeHistory(place, epochs: 60)
    }

    @Test("Ranks wait while rank 0 writes a long checkpoint, but not during a step")
    func patient() throws {
      let patient = try run(["watchdog"], program: "RankProbe", ranks: 2)
      #expect(patient.status == 0, "\(patient.errors)")
      let stalled = try run(["watchdog", "stall"], program: "RankProbe", ranks: 2)
      #expect(stalled.status == 86)
      #expect(stalled.count(of: "phase wait, nothing moved for 1 s; waits for rank 0") == 1, "\(stalled.errors)")
    }

    @Test("Ranks wait while rank 0 reads slowly, but not if its disk is dead", arguments: [1, 2])
    func reading(ranks: Int) throws {
      let slow = try run(["reading"], program: "RankProbe", ranks: ranks)
      #expect(slow.status == 0 && slow.seconds > 6, "\(slow.errors)")
      let dead = try run(["reading", "stall"], program: "RankProbe", ranks: ranks)
      #expect(dead.status == 86 && dead.errors.contains("phase start, nothing moved for"), "\(dead.errors)")
    }

    @Test("A line of metrics that takes three times the limit does not end the job")
    func slowDisk() throws {
      let scratch = try Scratch()
      let outcome = try run(["slow-disk", scratch.path + "/run"], program: "RankProbe", ranks: 2)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(metrics(scratch.path + "/run", kind: "step").compactMap { $0["step"] as? Int } == Array(1...28))
    }
  }
}
