import Foundation
import Kernels
import Testing

@testable import Persistence

/// The points at which a save can stop: every phase, for a new and a replaced step, with and without exchange.
struct Interruption: Codable, Sendable, CustomTestStringConvertible {
  let phase: CheckpointStore.Phase
  let replacing: Bool
  let swap: Bool

  var testDescription: String { "\(phase)\(replacing ? ", replacing" : "")\(swap ? "" : ", without swap")" }

  static let all: [Interruption] = {
    let phases: [CheckpointStore.Phase] = [
      .opened, .wrote("model.safetensors"), .wrote("optimizer.safetensors"), .wrote("state.json"), .summed,
      .installed, .linkedLast, .linkedBest, .removedOne,
    ]
    return phases.map { Interruption(phase: $0, replacing: false, swap: true) }
      + ([.movedAside] + phases.dropLast()).flatMap { phase in
        [true, false].map { Interruption(phase: phase, replacing: true, swap: $0) }
      }
  }()

  /// The step that is saved when the interruption occurs. Steps 1 to 3 exist before.
  var step: Int { replacing ? 3 : 4 }

  /// Whether the interrupted save has taken effect. With an exchange, the name always exists.
  var tookEffect: Bool {
    switch phase {
    case .opened, .wrote, .summed: false
    case .movedAside: swap
    case .installed, .linkedLast, .linkedBest, .removedOne: true
    }
  }
}

@Suite struct CheckpointCrashTests {
  let scratch = Scratch()

  /// Saves steps 1 to 3, filled with their number, and then 0xEE, where the save stops at the point.
  private static func run(
    _ directory: String, _ interruption: Interruption, stop: @escaping () throws(Failure) -> Void
  ) throws(Failure) {
    let store = CheckpointStore(directory: directory, keep: 2)
    for step in 1...3 { try save(store, step, fill: UInt8(step), best: step == 1) }
    store.canSwap = interruption.swap
    store.faultInjection = { phase throws(Failure) in if phase == interruption.phase { try stop() } }
    let best = interruption.phase == .linkedBest
    try save(store, interruption.step, fill: 0xEE, best: best, protecting: best ? [1] : [])
  }

  private func check(_ directory: String, _ interruption: Interruption, sourceLocation: SourceLocation) throws {
    let store = CheckpointStore(directory: directory, keep: 2)
    let found = store.newestValid(atMost: nil)
    #expect(found.skipped.isEmpty, "nothing half-written has a step's name", sourceLocation: sourceLocation)
    #expect(found.step == (interruption.tookEffect ? interruption.step : 3), sourceLocation: sourceLocation)
    let fill = bytes(of: store.path(step: try #require(found.step)) + "/state.json").first
    #expect(fill == (interruption.tookEffect ? 0xEE : 3), sourceLocation: sourceLocation)
    #expect(store.best() != nil && store.steps().count >= 2, sourceLocation: sourceLocation)
    for step in store.steps() { try store.verify(step: step) }
    try save(store, 5, fill: 5)
    #expect(store.newestValid(atMost: nil).step == 5, sourceLocation: sourceLocation)
  }

  /// A save that fails leaves a usable directory and no temporary files.
  @Test(arguments: Interruption.all) func failing(_ interruption: Interruption) throws {
    let directory = scratch / "checkpoints"
    let stopped = Failure(.inputOutput, "stopped")
    let error = failure { () throws(Failure) in
      try Self.run(directory, interruption) { () throws(Failure) in throw stopped }
    }
    #expect(error == stopped)
    #expect(!scratch.names("checkpoints").contains { $0.hasPrefix(".") })
    if interruption.phase == .movedAside && !interruption.swap {
      #expect(scratch.names("checkpoints").contains("step-00000003"), "what was moved aside is moved back")
    }
    try check(directory, interruption, sourceLocation: #_sourceLocation)
  }

  /// The process is killed in each phase of a save.
  @Test(arguments: Interruption.all) func killed(_ interruption: Interruption) async throws {
    let directory = scratch / "checkpoints"
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [directory = directory as String, interruption = interruption as Interruption] in
      try Self.run(directory, interruption) { kill(getpid(), SIGKILL) }
    }
    try check(directory, interruption, sourceLocation: #_sourceLocation)
  }

  /// A process that saves continuously is killed at a random time, at least eight times, and more often on a disk so slow
  /// that this does not suffice for nine checkpoints. The seed is 2.
  @Test func killedAnyTime() async throws {
    let directory = scratch / "checkpoints"
    var generator = SplitMix(state: 2)
    var last = 0
    for round in 0..<100 where round < 8 || last <= 8 {
      let delay = UInt32.random(in: 20_000...150_000, using: &generator)
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [directory = directory as String, delay = delay as UInt32, last = last as Int, round = round as Int] in
        let store = CheckpointStore(directory: directory, keep: 2)
        store.canSwap = round % 2 == 0
        Thread.detachNewThread {
          usleep(delay)
          kill(getpid(), SIGKILL)
        }
        // Every second save replaces a step, so that both cases occur.
        for save in 0... {
          try PersistenceTests.save(store, last + 1 + save / 2, fill: UInt8(save & 0xFF), size: 300_000)
          record(last + 1 + save / 2, in: directory + "/../done")
        }
      }
      let done = Int(String(decoding: bytes(of: scratch / "done"), as: UTF8.self)) ?? 0
      let store = CheckpointStore(directory: directory, keep: 2)
      let found = store.newestValid(atMost: nil)
      #expect(found.skipped.isEmpty && found.step ?? 0 >= done, "\(found), completed \(done)")
      last = found.step ?? 0
    }
    #expect(last > 8)
  }
}

private func record(_ number: Int, in path: String) {
  try? DurableFile.write(String(number), to: path)
}
