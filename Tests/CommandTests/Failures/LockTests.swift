import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of two runs in one directory, where the second takes over because the first was suspended for long.
  @Suite struct LockTests {
    enum Way: CaseIterable {
      /// The lock of a run that seemed dead was removed by hand.
      case removed
      /// Another host sees a lock that has not been updated for a long time.
      case stale
    }

    static let settings = ["--max-epochs", "60", "--checkpoint-every", "1"]
    private let staleAfter = ["VAE_DIST_LOCK_STALE": "3"]

    /// The process numbers of all ranks of a run.
    private func processes(_ child: Child, ranks: Int?) throws -> [pid_t] {
      guard let ranks else { return [child.identifier] }
      return try (0..<ranks).map { try #require(rankProcess($0, of: child)) }
    }

    /// Starts a run in a process namespace of its own, so that it appears to be on another host.
    private func elsewhere(_ place: String) throws -> Child {
      try Child(
        ["unshare", "--pid", "--fork", "--mount-proc", "\(binaries)/vae-dist"] + training(place, Self.settings),
        environment: plainEnvironment.merging(staleAfter) { $1 }, directory: NSTemporaryDirectory())
    }

    @Test(
      "A run that was suspended until another took over its directory ends with 73 and writes nothing more",
      .enabled("process numbers of one's own take a privileged root") { geteuid() == 0 },
      arguments: [nil, 2], Way.allCases)
    func takenOver(ranks: Int?, way: Way) throws {
      let scratch = try Scratch()
      try train(scratch.path + "/whole", Self.settings)
      let place = scratch.path + "/run"
      let endless = ["--set", "train.watchdog=none", "--slow-rank", "0:20"]
      let first = try start(training(place, Self.settings + endless), ranks: ranks, environment: staleAfter)
      // The next checkpoint is seconds away, because a write that was under way would be completed.
      try #require(first.wait { metrics(place, kind: "checkpoint").count >= 2 })
      let stopped = try processes(first, ranks: ranks)
      for process in stopped { kill(process, SIGSTOP) }
      defer { for process in stopped { kill(process, SIGKILL) } }
      let lock = place + "/lock"
      switch way {
      case .removed: #expect(unlink(lock) == 0)
      case .stale:
        // The lock of the kernel belongs to the file, and other hosts do not see it either.
        let text = try Data(contentsOf: URL(fileURLWithPath: lock))
        try text.write(to: URL(fileURLWithPath: lock), options: .atomic)
        let refused = try elsewhere(place).wait()
        #expect(refused.status == 73 && refused.count(of: "another training runs in it") == 1, "\(refused.errors)")
        sleep(5)
      }
      let second = try elsewhere(place)
      // The first run continues once while the second runs, and once after the second has ended.
      let isOver = ranks == nil
      let outcome: Outcome?
      if isOver {
        outcome = second.wait()
      } else {
        try #require(second.wait { second.errors.contains("took over") || way == .removed })
        try #require(second.wait { FileManager.default.fileExists(atPath: lock) })
        outcome = nil
      }
      let before = isOver ? snapshot(place) : nil
      for process in stopped { kill(process, SIGCONT) }
      let end = first.wait()
      #expect(end.status == 73, "\(end.errors)")
      #expect(end.count(of: "another training has taken over the run directory") == 1, "\(end.errors)")
      if let before { #expect(snapshot(place) == before) }
      let last = outcome ?? second.wait()
      #expect(last.status == 0, "\(last.errors)")
      #expect((last.count(of: "no sign of life for") == 1) == (way == .stale), "\(last.errors)")
      #expect(try digest(place) == digest(scratch.path + "/whole"))
      expectWholeHistory(place, epochs: 60)
      #expect(!FileManager.default.fileExists(atPath: lock))
    }

    @Test("A run keeps its lock even if a step takes longer than the lock lasts")
    func alive() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let first = try start(
        training(place, Self.settings + ["--slow-rank", "0:100000"]), environment: ["VAE_DIST_LOCK_STALE": "1"])
      func age() -> Double {
        let lock = try? FileManager.default.attributesOfItem(atPath: place + "/lock")
        return (lock?[.modificationDate] as? Date).map { -$0.timeIntervalSinceNow } ?? .infinity
      }
      try #require(first.wait { age() < 1 && metrics(place, kind: "checkpoint").count == 1 })
      for _ in 0..<30 {
        usleep(100_000)
        #expect(age() < 1)
      }
    }
  }
}
