import ArgumentParser
import Communication
import RunConfiguration
import Foundation
import Kernels
import Reporting
import Training

/// The command line: parses, wires, and turns failures into one message and an exit status.
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
    // A full disk or a file size limit is an error to report, not a signal to die of.
    signal(SIGXFSZ, SIG_IGN)
    // Nor is a reader of the progress that went away (`| head`).
    signal(SIGPIPE, SIG_IGN)
    // Under mpirun every rank parses the same arguments: one prints, all leave with the same status.
    let speaks = Launcher.expectedRank == 0
    do { try Products.requireRoom() } catch {
      // An orderly exit would wait for the thread that found no room.
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

  /// Help and versions are results, and may be lost as those are; the rest are mistakes of usage.
  private static func answer(_ error: any Error, _ status: Int32) -> Never {
    let text = fullMessage(for: error)
    guard status == 0 else {
      Output.complain(withHint(text) + "\n")
      Foundation.exit(status)
    }
    do { try Output.result(text + "\n") } catch { leave(error, speaks: true) }
    Foundation.exit(0)
  }

  /// The parser knows flags; what was meant may be a key. Its own guess stays where ours is no better.
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

  /// A failure before MPI starts, or in a command that does not use it.
  static func leave(_ failure: Failure, speaks: Bool) -> Never {
    guard speaks else { leaveSilently(failure.status.rawValue) }
    complain(failure)
    Foundation.exit(failure.status.rawValue)
  }

  /// From any thread, and without an orderly end, which might write.
  static func leaveAtOnce(_ failure: Failure) -> Never {
    complain(failure)
    _exit(failure.status.rawValue)
  }

  /// mpirun ends the job with the first rank that leaves with an error: the one that speaks must have had the time to.
  private static func leaveSilently(_ status: Int32) -> Never {
    if status != 0 { usleep(500_000) }
    Foundation.exit(status)
  }

  static func complain(_ failure: Failure, rank: Int? = nil) {
    let place = rank.map { "rank \($0): " } ?? ""
    Output.complain("vae-dist: error: \(place)\(failure)\n")
  }

  /// Runs a collective body. A failure that every rank shares is printed by rank 0 and all leave in order; one that a
  /// single rank has ends the job.
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
      // What befalls several ranks at once is said by the first of them; the abort ends the others while they wait.
      usleep(UInt32(min(communicator.rank, 20)) * 100_000)
      complain(error, rank: communicator.rank)
      Launcher.abort(error.status.rawValue)
    }
  }
}
