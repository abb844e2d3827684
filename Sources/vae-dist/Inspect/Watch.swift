import ArgumentParser
import Communication
import Foundation
import Kernels
import Reporting
import Training

struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Follow a run in the terminal until it ends, with curves of recon, KL, beta and active units.",
    discussion: """
      vae-dist watch runs/a
      vae-dist watch runs/a --once            prints the current state, for scripts
      vae-dist watch runs/a --wait            waits until the run begins

      The command ends when the run ends: with status 0 if it has finished, 75 if it was stopped with a checkpoint, the run's
      own status if it failed, 1 if it died. If standard output is not a terminal, it prints a line for each epoch, and the
      curves at the end.
      """)

  @Argument(help: ArgumentHelp("Run directory.", valueName: "run")) var place: String
  @Flag(help: "Show the current state of the run and exit with status 0.") var once = false
  @Flag(help: "Wait for the run to begin.") var wait = false
  @Option(help: "Seconds between updates.") var interval = 1.0
  @OptionGroup var progress: ProgressOption

  func validate() throws {
    guard (0.1...3_600).contains(interval) else { throw ValidationError("--interval is between 0.1 and 3600 seconds") }
    guard !place.isEmpty else { throw ValidationError("'' names no run") }
  }

  func run() throws {
    guard Launcher.expectedRank == 0 else { return }
    var record = try open()
    if once { return try show(record) }
    let screen = Terminal.size != nil, began = ContinuousClock.now
    var lastEpoch = 0
    while true {
      if screen {
        try draw(record)
      } else if let epoch = record.epochs.last?.epoch, epoch != lastEpoch {
        lastEpoch = epoch
        try Output.result(RunScreen(record, columns: .max, rows: 0, isColored: false).line + "\n")
      }
      // A run that is starting has a lock before it has a status.
      let begins = record.status == nil && isLocked && ContinuousClock.now - began < .seconds(RunRecord.patience)
      guard begins || record.standing() == .going else { break }
      usleep(UInt32(interval * 1e6))
      record.refresh()
    }
    if screen { try Output.result("\n") } else { try show(record) }
    Foundation.exit(status(record))
  }

  private var isLocked: Bool { FileManager.default.fileExists(atPath: place + "/lock") }

  private func open() throws(Failure) -> RunRecord {
    var hasSaid = false
    while true {
      do throws(Failure) { return try RunRecord(place) } catch {
        guard error.status == .missingInput else { throw error }
        // Training creates the directory shortly before its first file.
        guard wait || isLocked else {
          throw Failure(
            .missingInput, error.message,
            hint:
              "training writes after it has read its data, which --wait waits for; `vae-dist runs list` lists the runs")
        }
        if !hasSaid, !progress.quiet {
          Output.complain("vae-dist: \(place.printable): nothing is written yet; waiting\n")
        }
        hasSaid = true
      }
      usleep(UInt32(interval * 1e6))
    }
  }

  private func show(_ record: RunRecord) throws(Failure) {
    let size = Terminal.size ?? Terminal.assumedSize
    let screen = RunScreen(
      record, columns: size.columns, rows: size.rows, isColored: Terminal.size != nil && Terminal.wantsColor)
    try Output.result(screen.lines.map { $0 + "\n" }.joined())
  }

  /// Draws over the previous screen without clearing it, which avoids flicker.
  private func draw(_ record: RunRecord) throws(Failure) {
    let size = Terminal.size ?? Terminal.assumedSize
    let screen = RunScreen(record, columns: size.columns, rows: size.rows - 1, isColored: Terminal.wantsColor)
    let lines = screen.lines.prefix(max(1, size.rows - 1))
    try Output.result("\u{1b}[H" + lines.map { $0 + "\u{1b}[K\n" }.joined() + "\u{1b}[J")
  }

  private func status(_ record: RunRecord) -> Int32 {
    switch record.standing() {
    case .finished: 0
    case .stopped(let reason):
      (reason == StopReason.collapsed.word ? Failure.Status.collapsed : .stopped).rawValue
    case .failed: Int32(clamping: min(255, max(1, record.status?.exit ?? 1)))
    case .going, .cutOff: Failure.Status.failure.rawValue
    }
  }
}
