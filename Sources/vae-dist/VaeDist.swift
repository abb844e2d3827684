import ArgumentParser
import Communication
import RunConfiguration
import Foundation
import Kernels
import Reporting
import Training

/// The command-line program. It parses arguments, runs a command, and turns a failure into one message and an exit
/// status.
@main
struct VaeDist: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vae-dist",
    abstract: "Train variational autoencoders on the cores of a machine or a cluster.",
    discussion: """
      vae-dist train                                     train on the embedded digits (seconds)
      mpirun -np 8 vae-dist train --preset mnist-mlp --data mnist/
      mpirun -np 8 vae-dist train config.yaml --run runs/a   the same command resumes a stopped run
      vae-dist inspect runs/a --json
      """,
    version: "vae-dist \(versionText)",
    subcommands: [
      Train.self, Watch.self, Runs.self, ReportCommand.self, DataCommand.self, Evaluate.self, ScoreCommand.self,
      AugmentCommand.self, ServeCommand.self, Reconstruct.self,
      Sample.self, Interpolate.self,
      Traverse.self, Embed.self, Manifold.self, Export.self, Inspect.self, Bench.self, Scale.self, Doctor.self,
      Slurm.self,
    ])

  static func main() {
    // Exceeding the file size limit must be reported as an error and must not kill the process with a signal.
    signal(SIGXFSZ, SIG_IGN)
    // The reader of the progress output may exit early (`| head`), which must not kill the process either.
    signal(SIGPIPE, SIG_IGN)
    // Under mpirun every rank parses the same arguments. One rank prints, and all exit with the same status.
    let speaks = Launcher.expectedRank == 0
    do { try Products.requireRoom() } catch {
      // exit() would wait for the thread that could not get its memory, so _exit() is used.
      if speaks { complain(error) } else { usleep(500_000) }
      _exit(error.status.rawValue)
    }
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as Failure {
      leave(failure, speaks: speaks)
    } catch {
      let status = exitCode(for: error).rawValue
      guard speaks else { leaveSilently(status) }
      answer(error, status)
    }
  }

  /// Prints help and versions as results, and everything else as an error of usage, and exits.
  private static func answer(_ error: any Error, _ status: Int32) -> Never {
    let text = fullMessage(for: error)
    guard status == 0 else {
      Output.complain(withHint(text) + "\n")
      Foundation.exit(status)
    }
    do { try Output.result(text + "\n") } catch { leave(error, speaks: true) }
    Foundation.exit(0)
  }

  /// Adds a hint to the parser's message about an unknown option, which may have been meant as a configuration key. The
  /// parser's own suggestion is kept unless a key matches exactly.
  private static func withHint(_ text: String) -> String {
    let parts = text.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].hasSuffix("Unknown option ") else { return text }
    let guess = parts[2].range(of: #"^\. Did you mean '[^']*'\?"#, options: .regularExpression)
    guard let path = ConfigurationSchema.standard.path(meantBy: String(parts[1]), exactly: guess != nil) else {
      return text
    }
    let rest = guess.map { parts[2][$0.upperBound...] } ?? parts[2]
    return parts[0] + "'\(parts[1])'\(rest)\n  hint: did you mean \(path.hasPrefix("-") ? path : "--set \(path)=...")?"
  }

  /// Exits because of a failure before MPI starts or in a command without MPI. Prints the failure if `speaks` is true.
  static func leave(_ failure: Failure, speaks: Bool) -> Never {
    guard speaks else { leaveSilently(failure.status.rawValue) }
    complain(failure)
    Foundation.exit(failure.status.rawValue)
  }

  /// Exits at once because of a failure, without the cleanup of exit(), which might write files. May be called on any
  /// thread.
  static func leaveAtOnce(_ failure: Failure) -> Never {
    complain(failure)
    _exit(failure.status.rawValue)
  }

  /// Exits after a pause. mpirun ends the job when the first rank exits with an error, and the speaking rank must print
  /// first.
  private static func leaveSilently(_ status: Int32) -> Never {
    if status != 0 { usleep(500_000) }
    Foundation.exit(status)
  }

  static func complain(_ failure: Failure, rank: Int? = nil) {
    let place = rank.map { "rank \($0): " } ?? ""
    Output.complain("vae-dist: error: \(place)\(failure)\n")
  }

  /// Runs `body` on all ranks. A failure that all ranks share is printed by rank 0, and all ranks exit normally. A
  /// failure of a single rank aborts the job.
  static func withRanks(_ body: (Communicator) throws(Failure) -> Int32) throws(Failure) {
    let communicator = try Communicator()
    do {
      let status = try body(communicator)
      communicator.finish()
      if status != 0 { Foundation.exit(status) }
    } catch {
      if error.isCollective || communicator.size == 1 {
        if communicator.isRoot { complain(error) }
        communicator.finish()
        Foundation.exit(error.status.rawValue)
      }
      // If several ranks fail at once, the lowest rank prints its failure first and its abort ends the ranks that are
      // waiting.
      usleep(UInt32(min(communicator.rank, 20)) * 100_000)
      complain(error, rank: communicator.rank)
      Launcher.abort(error.status.rawValue)
    }
  }
}
