import Benchmarks
import ArgumentParser
import Communication
import Data
import Foundation
import Kernels
import Persistence
import Reporting
import Training

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check this machine and how ranks are started. The status is 1 if there is a problem.",
    discussion: """
      vae-dist doctor
      mpirun -np 2 vae-dist doctor --run runs/a     with the ranks, hosts and options that training will have
      srun --mpi=pmix vae-dist doctor --json
      """)

  @OptionGroup var options: MeasuringOptions
  @Option(name: .customLong("run"), help: "Run directory to examine: file system, space, speed of writing.")
  var directory = "runs"
  @Option(help: .hidden) var sharedMemory = "/dev/shm"

  func run() throws {
    // Determined before MPI starts, because MPI may set rank variables in the environment.
    let speaks = Launcher.expectedRank == 0
    do throws(Failure) {
      try VaeDist.withRanks { communicator throws(Failure) in
        let started = RankFacts.secondsSinceStart()
        let (findings, placements) = try check(communicator, started)
        if communicator.isRoot { try report(findings, placements) }
        var status = self.status(findings)
        try communicator.broadcastValue(&status)
        return status
      }
    } catch {
      guard error.message.hasPrefix("launcher mismatch") else { throw error }
      let findings = [Finding(.problem, "launcher", error.message, advice: error.hint)]
      if speaks { try report(findings, []) }
      Foundation.exit(status(findings))
    }
  }

  private func check(_ communicator: Communicator, _ started: Double) throws(Failure)
    -> ([Finding], [Placement])
  {
    let (configuration, model) = try options.model(communicator)
    let train = configuration.train
    // The checks assume a data set with enough samples for one batch.
    let plan = BatchPlan(count: train.batchSize, batchSize: train.batchSize, microbatch: train.microbatch)
    let facts = try RankFacts.gather(
      communicator, library: train.products, threads: train.threads,
      need: try MemoryNeed(configuration, model, plan, communicator), sharedMemory: sharedMemory, startSeconds: started)
    guard communicator.isRoot else { return ([], []) }
    // Keeps the name and version, such as "Open MPI v4.1.4", without the packager's information.
    let library = Communicator.library.split(separator: ",").first.map(String.init) ?? ""
    let job = JobFacts(
      ranks: facts, launcher: Launcher.kind, library: library, threads: train.threads)
    // A checkpoint holds parameters and two moments. Besides `keep` checkpoints, the best one is kept, and one more
    // exists while it is written.
    let bytes = 3 * model.store.count * MemoryLayout<Float>.stride
    let place = RunPlace.findings(directory, checkpointBytes: bytes * (configuration.checkpoint.keep + 2))
    return (JobChecks.all.findings(in: job) + place, facts.map(\.placement))
  }

  private func status(_ findings: [Finding]) -> Int32 {
    findings.contains { $0.level == .problem } ? Failure.Status.failure.rawValue : 0
  }

  private func report(_ findings: [Finding], _ placements: [Placement]) throws(Failure) {
    try Output.result((options.json ? json(findings, placements).text : text(findings, placements)) + "\n")
  }

  private func json(_ findings: [Finding], _ placements: [Placement]) -> JSON {
    .object([
      ("status", .text((findings.map(\.level).max() ?? .ok).rawValue)),
      (
        "findings",
        .array(
          findings.map { finding in
            .object([
              ("level", .text(finding.level.rawValue)), ("check", .text(finding.check)),
              ("message", .text(finding.message)), ("advice", finding.advice.map(JSON.text) ?? .null),
            ])
          })
      ),
      (
        "placement",
        .array(
          placements.map { place in
            .object([
              ("rank", .integer(place.rank)), ("host", .text(place.host)), ("node", .integer(place.node)),
              ("cores", .array(place.cores.map(JSON.integer))), ("core", .integer(place.core)),
            ])
          })
      ),
    ])
  }

  private func text(_ findings: [Finding], _ placements: [Placement]) -> String {
    let width = findings.map(\.check.count).max() ?? 0
    var lines = [String]()
    for finding in findings {
      let level = finding.level.rawValue.padding(toLength: 9, withPad: " ", startingAt: 0)
      let check = finding.check.padding(toLength: width + 2, withPad: " ", startingAt: 0)
      lines.append(level + check + finding.message)
      if let advice = finding.advice { lines.append(String(repeating: " ", count: width + 11) + "-> " + advice) }
    }
    if placements.count > 1 {
      let rows = placements.map { ["\($0.rank)", $0.host, Binding.list($0.cores), "\($0.core)"] }
      lines += ["", columns([["rank", "host", "may run on", "runs on"]] + rows)]
    }
    return lines.joined(separator: "\n")
  }
}
