import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Two runs of one directory, when the first was stopped for so long that the second has taken it over.
  @Suite struct LockTests {
    enum Way: CaseIterable {
      /// Somebody removed the lock of a run that seemed dead.
      case removed
      /// Another host sees a lock that nobody has touched for long.
      case stale
    }

    static let settings = ["--max-epochs", "60", "--checkpoint-every", "1"]
    private let staleAfter = ["VAE_DIST_LOCK_STALE": "3"]

    /// Every process of a run.
    private func processes(_ child: Child, ranks: Int?) throws -> [pid_t] {
      guard let ranks else { return [child.identifier] }
      return try (0..<ranks).map { try #require(rankProcess($0, of: child)) }
    }

    /// A run on another host, as far as it can tell: with process numbers of its own.
    private func elsewhere(_ place: String) throws -> Child {
      try Child(
        ["unshare", "--pid", "--fork", "--mount-proc", "\(binaries)/vae-dist"] + training(place, Self.settings),
        environment: plainEnvironment.merging(staleAfter) { $1 }, directory: NSTemporaryDirectory())
    }

    @Test(
      "A run that was stopped until another took over its directory ends with 73 and writes nothing more",
      .enabled("process numbers of one's own take a privileged root") { geteuid() == 0 },
      arguments: [nil, 2], Way.allCases)
    func takenOver(ranks: Int?, way: Way) throws {
      let scratch = try Scratch()
      try train(scratch.path + "/whole", Self.settings)
      let place = scratch.path + "/run"
      let endless = ["--set", "train.watchdog=none", "--slow-rank", "0:20"]
      let first = try start(training(place, Self.settings + endless), ranks: ranks, environment: staleAfter)
      // Seconds before its next checkpoint: what was being written when it was stopped would be written on.
      try #require(first.wait { metrics(place, kind: "checkpoint").count >= 2 })
      let stopped = try processes(first, ranks: ranks)
      for process in stopped { kill(process, SIGSTOP) }
      defer { for process in stopped { kill(process, SIGKILL) } }
      let lock = place + "/lock"
      switch way {
      case .removed: #expect(unlink(lock) == 0)
      case .stale:
        // The kernel's lock stays with the file: other hosts do not see it either.
        let text = try Data(contentsOf: URL(fileURLWithPath: lock))
        try text.write(to: URL(fileURLWithPath: lock), options: .atomic)
        let refused = try elsewhere(place).wait()
        #expect(refused.status == 73 && refused.count(of: "another training runs in it") == 1, "\(refused.errors)")
        sleep(5)
      }
      let second = try elsewhere(place)
      // Once while the second is at it, once after it has ended.
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

    @Test("A run whose steps take longer than its lock lasts keeps it")
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
