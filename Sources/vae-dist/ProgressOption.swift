import ArgumentParser
import Communication
import Reporting

/// The option of every command that turns off progress messages.
struct ProgressOption: ParsableArguments {
  @Flag(name: .shortAndLong, help: "No progress.") var quiet = false

  /// Starts to show progress of long activities unless the user asked for quiet.
  func show() { if !quiet { ActivityLine.start() } }
  /// Does the same on rank 0 only.
  func show(_ communicator: Communicator) { if communicator.isRoot { show() } }
}
