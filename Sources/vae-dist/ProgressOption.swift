import ArgumentParser
import Communication
import Reporting

/// What every command takes: whether it says what it is at.
struct ProgressOption: ParsableArguments {
  @Flag(name: .shortAndLong, help: "No progress.") var quiet = false

  /// Shows from now on what takes long, unless the user wants it quiet.
  func show() { if !quiet { ActivityLine.start() } }
  /// Shows it on rank 0 alone.
  func show(_ communicator: Communicator) { if communicator.isRoot { show() } }
}
