import CSlowDisk
import Communication
import RunConfiguration
import Glibc
import Kernels
import Persistence
import Training

/// Scenarios that are slow but make progress, under a watchdog that ends ranks that hang.
extension RankProbe {
  /// reading [stall]: rank 0 reads slowly for 1.5 times the limit of a start, or its disk is dead.
  static func reading(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let clock = PhaseClock()
    try Watchdog(clock, rank: communicator.rank, of: communicator.size, limit: .seconds(0.4)).start()
    let rounds = communicator.isRoot ? 30 : 0
    let isDead = arguments.first == "stall"
    let done = try communicator.together(keepingAlive: clock) { () throws(Failure) -> Int in
      if isDead, communicator.isRoot { sleep(60) }
      for _ in 0..<rounds { usleep(200_000) }
      return rounds
    }
    try check(done == rounds, "the work is done")
  }

  /// slow-disk DIRECTORY: the disk of rank 0 takes three times the limit for a line of metrics within an epoch.
  static func slowDisk(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    guard let directory = arguments.first else { throw Failure(.usage, "slow-disk DIRECTORY") }
    let configuration = try Configuration.resolve(
      preset: "mnist-mlp", file: nil, environment: [:],
      assignments: [
        "data.source=random:28x28", "monitor.pictures_every=0", "log.every_steps=1", "train.max_steps=28",
        "model.hidden=[16]",
      ], flags: [])
    let setup = try TrainingSetup(
      configuration, communicator, checkpointDirectory: directory + "/checkpoints", resume: .none)
    var observers: [any TrainingObserver] = []
    if communicator.isRoot {
      try RunDirectory.make(directory)
      observers = [
        Striking(step: 10),
        try RunDirectory(
          path: directory, lock: RunLock(directory: directory), configuration: configuration, command: ["probe"],
          environment: [], resumedFrom: nil, lost: { _ in exit(1) }),
      ]
    }
    try Watchdog(setup.clock, rank: communicator.rank, of: communicator.size, limit: .seconds(1)).start()
    let trainer = try Trainer(setup, observers: observers)
    _ = try trainer.run()
    trainer.close()
    try check(!communicator.isRoot || vd_slow_disk_struck() == 1, "the disk was slow")
  }
}

/// Makes the disk slow at a step.
private final class Striking: TrainingObserver {
  private let step: Int
  init(step: Int) { self.step = step }

  func observe(_ event: TrainingEvent) {
    if case .step(let report) = event, report.step == step { vd_slow_disk_arm("metrics.jsonl", 3) }
  }
}
