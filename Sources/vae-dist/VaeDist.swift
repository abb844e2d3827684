import ArgumentParser
import Communication
import Foundation
import Kernels
import Reporting

/// The command line: parses, wires, and turns failures into one message and an exit status.
@main
struct VaeDist: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vae-dist",
    abstract: "Train variational autoencoders on the cores of a machine or a cluster.",
    discussion: """
      vae-dist train                                     the embedded digits, in seconds
      mpirun -np 8 vae-dist train --preset mnist-mlp --data mnist/
      mpirun -np 8 vae-dist train config.yaml --run runs/a   again after a stop: it goes on
      vae-dist inspect runs/a --json
      """,
    version: "vae-dist \(versionText)",
    subcommands: [Train.self, Inspect.self, Bench.self, Scale.self, Doctor.self, Slurm.self])

  static func main() {
    // A full disk or a file size limit is an error to report, not a signal to die of.
    signal(SIGXFSZ, SIG_IGN)
    // Nor is a reader of the progress that went away (`| head`).
    signal(SIGPIPE, SIG_IGN)
    // Under mpirun every rank parses the same arguments: one prints, all leave with the same status.
    let speaks = Launcher.expectedRank == 0
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as Failure {
      leave(failure, speaks: speaks)
    } catch {
      if speaks { exit(withError: error) }
      leaveSilently(exitCode(for: error).rawValue)
    }
  }

  /// A failure before MPI starts, or in a command that does not use it.
  static func leave(_ failure: Failure, speaks: Bool) -> Never {
    guard speaks else { leaveSilently(failure.status.rawValue) }
    complain(failure)
    Foundation.exit(failure.status.rawValue)
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
