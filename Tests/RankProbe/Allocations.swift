import CAllocationCounter
import Communication
import RunConfiguration
import Foundation
import Kernels
import Persistence
import Reporting
import Training

/// The preset of the benchmark on random data, without costly options. oneDNN allocates in every product, so the
/// program's own allocations are measured with OpenBLAS.
private func configured(_ arguments: [String]) throws(Failure) -> Configuration {
  let own = [
    "data.source=random:28x28", "train.exchange=window", "train.products=openblas", "monitor.pictures_every=0",
  ]
  return try Configuration.resolve(
    preset: "mnist-mlp", file: nil, environment: [:], assignments: own + arguments, flags: [])
}

extension RankProbe {
  /// allocations [KEY=VALUE...]: each rank prints the number of allocations of a steady step.
  static func allocations(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let setup = try TrainingSetup(
      try configured(arguments), communicator, checkpointDirectory: nil, resume: .none)
    let steady = try SteadySteps(setup)
    vd_allocations_arm()
    let block = UnsafeMutablePointer<Double>.allocate(capacity: 100 + communicator.size)
    try check(vd_allocations_disarm() == 1, "an allocation is counted")
    block.deallocate()
    for _ in 0..<20 { try steady.next() }
    try communicator.barrier()
    vd_allocations_arm()
    for _ in 0..<50 { try steady.next() }
    let count = vd_allocations_disarm()
    try communicator.barrier()
    steady.close()
    try report("50 steps", count, communicator)
  }

  /// run-allocations DIRECTORY [KEY=VALUE...]: the same for a step of a whole training with the program's observers.
  static func runAllocations(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    guard let directory = arguments.first else { throw Failure(.usage, "run-allocations DIRECTORY") }
    let configuration = try configured(arguments.dropFirst() + ["train.max_steps=28", "log.progress=plain"])
    let setup = try TrainingSetup(
      configuration, communicator, checkpointDirectory: directory + "/checkpoints", resume: .none)
    let window = CountingWindow(steps: 6..<26)
    var observers: [any TrainingObserver] = [window]
    if communicator.isRoot {
      try RunDirectory.make(directory)
      observers.append(
        try RunDirectory(
          path: directory, lock: RunLock(directory: directory), configuration: configuration, command: ["probe"],
          environment: [], resumedFrom: nil, lost: { _ in exit(1) }))
      observers.append(ProgressConsole(style: .plain, isVerbose: false))
    }
    let trainer = try Trainer(setup, observers: observers)
    _ = try trainer.run()
    trainer.close()
    try check(window.count != nil, "the run had the steps to count in")
    try report("\(window.steps.count) steps of a run", window.count ?? -1, communicator)
  }

  private static func report(_ what: String, _ count: Int64, _ communicator: Communicator) throws(Failure) {
    // Only one rank writes, because lines of several ranks may be mixed.
    for (rank, text) in try communicator.gather(Array("\(count)".utf8)).enumerated() where communicator.isRoot {
      Output.say("rank \(rank): \(String(decoding: text, as: UTF8.self)) allocations in \(what)\n")
    }
  }
}

/// Counts allocations between two steps of a run.
private final class CountingWindow: TrainingObserver {
  let steps: Range<Int>
  var count: Int64?

  init(steps: Range<Int>) { self.steps = steps }

  func observe(_ event: TrainingEvent) {
    guard case .step(let report) = event else { return }
    if report.step == steps.lowerBound { vd_allocations_arm() }
    if report.step == steps.upperBound { count = vd_allocations_disarm() }
  }
}
