import RunConfiguration
import Foundation
import Kernels
import Persistence
import Settings
import Synchronization
import VAE

/// Writes the files of a run: configuration, command, environment, metrics, epochs and status. Existing files are
/// extended, never deleted. Rank 0 only.
///
/// A serial queue does the writing. The lines of steps are handed to it without waiting, so that a slow disk does not
/// delay a step. Everything else is written between steps, while the caller waits. `seen`, `troubles` and `backlog` may
/// be accessed from any thread; all other mutable state belongs to the queue.
package final class RunDirectory: TrainingObserver, @unchecked Sendable {
  package let path: String
  private let queue = DispatchQueue(label: "run directory")
  private var heartbeat: (any DispatchSourceTimer)?
  private let lost: @Sendable (Failure) -> Never
  /// The last step and its epoch.
  private let seen = Mutex((step: 0, epoch: 0))
  /// An error that occurred while the caller did not wait. The next step reports it.
  private let troubles = Mutex<Failure?>(nil)
  /// Number of lines that wait to be written.
  private let backlog = Atomic<Int>(0)
  private static let longestBacklog = 1 << 16
  private var metrics: LineLog
  private var epochs: LineLog
  private let lines: Preamble
  private var lock: RunLock
  /// Device and inode of the directory that contains the open files.
  private var identity: [UInt64]
  private let everySteps: Int
  /// The value of `state` in `status.json`.
  private var state = "starting"
  private var statusText = ""
  private var attended = ContinuousClock.now

  /// Files that are written once, and again if the directory must be recreated.
  private struct Preamble {
    let configuration: String
    let command: String
    let environment: String

    func write(to path: String) throws(Failure) {
      try DurableFile.write(configuration, to: path + "/config.yaml")
      try LineLog(path: path + "/command.txt").append(command)
      try DurableFile.write(environment, to: path + "/environment.json")
    }
  }

  /// Opens the run directory.
  ///
  /// If the run resumes, metrics beyond its step are removed, and so is the line of an epoch that is resumed in the
  /// middle.
  ///
  /// - Parameters:
  ///   - lock: The lock of the directory, already held.
  ///   - environment: Host, program and hardware that the run uses.
  ///   - step: The step that the run resumes from, if any.
  ///   - finished: Number of epochs that are finished.
  ///   - lost: Ends the process. It is called when another training has taken over the directory, before anything else
  ///     is written.
  package init(
    path: String, lock: RunLock, configuration: Configuration, command: [String], environment: [(String, JSON)],
    resumedFrom step: Int?, epochs finished: Int = .max, lost: @escaping @Sendable (Failure) -> Never
  ) throws(Failure) {
    self.path = path
    self.lock = lock
    self.lost = lost
    everySteps = configuration.log.everySteps
    identity = RunDirectory.identity(of: path)
    lines = Preamble(
      configuration: configuration.yaml, command: command.map(\.shellWord).joined(separator: " "),
      environment: JSON.object(environment).text + "\n")
    try lines.write(to: path)
    metrics = try LineLog(path: path + "/metrics.jsonl")
    epochs = try LineLog(path: path + "/epochs.csv")
    try cut(to: step ?? 0, epochs: finished)
    try writeHeader()
    seen.withLock { $0 = (step ?? 0, step == nil ? 0 : finished) }
    try writeStatus()
    let timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .now() + 10, repeating: 10)
    timer.setEventHandler { [weak self] in self?.beat() }
    timer.resume()
    heartbeat = timer
  }

  /// Runs `body` on the queue, after the work that it already has.
  private func inTurn<T>(_ body: () throws(Failure) -> T) throws(Failure) -> T {
    let result: Result<T, Failure> = queue.sync {
      do throws(Failure) { return .success(try body()) } catch { return .failure(error) }
    }
    return try result.get()
  }

  private func writeHeader() throws(Failure) {
    if try epochs.isEmpty() { try epochs.append(EpochNumber.header) }
  }

  /// Checks that the directory still exists and belongs to this run, and recreates it if it has vanished.
  ///
  /// - Returns: A notice for the user if the directory or its lock was recreated.
  package func attend() throws(Failure) -> String? { try inTurn(see) }

  /// Ends the process if another training has taken over the directory. It is called before other code writes there.
  package func requireLock() {
    try? inTurn { () throws(Failure) in
      if case .lost(let other) = try lock.standing() { lost(lock.takenOver(by: other)) }
    }
  }

  private func see() throws(Failure) -> String? {
    attended = .now
    let standing = try lock.standing()
    if case .lost(let other) = standing { lost(lock.takenOver(by: other)) }
    let isSame = RunDirectory.identity(of: path) == identity
    if isSame, standing == .held { return nil }
    // The lock was removed. If the status is not this run's, another training has used the directory in the meantime.
    if let text = try? DurableFile.read(path + "/status.json"), text != Array(statusText.utf8) {
      lost(lock.takenOver(by: "it has ended since"))
    }
    if !isSame { try RunDirectory.make(path) }
    lock = try RunLock(directory: path)
    lock.keepAlive { [lost] in lost($0) }
    if isSame { return "\(path)/lock was removed and has been created again" }
    try lines.write(to: path)
    metrics = try LineLog(path: path + "/metrics.jsonl")
    epochs = try LineLog(path: path + "/epochs.csv")
    try writeHeader()
    identity = RunDirectory.identity(of: path)
    return
      "the run directory \(path) was moved or removed while training; it was created again without its earlier contents"
  }

  /// Releases the directory for other trainings.
  package func close() {
    try? inTurn { () throws(Failure) in
      heartbeat?.cancel()
      lock.release()
    }
  }

  private static func identity(of path: String) -> [UInt64] {
    var status = stat()
    return stat(path, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : []
  }

  /// The run directory of a model file. For a file that is not in a checkpoint, it is the directory that contains the
  /// file.
  package static func of(_ model: String) -> String {
    let folder = (model as NSString).deletingLastPathComponent
    let above = (folder as NSString).deletingLastPathComponent
    guard (above as NSString).lastPathComponent == "checkpoints" else { return folder.isEmpty ? "." : folder }
    let run = (above as NSString).deletingLastPathComponent
    return run.isEmpty ? "." : run
  }

  /// Creates a directory and its parents.
  ///
  /// - Throws: `Failure` with the status `cannotCreate` if that fails.
  package static func make(_ path: String) throws(Failure) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw Failure(
        .cannotCreate, "\(path): the run directory cannot be created: \(error.localizedDescription)",
        hint: "choose a place you may write to with --run DIR")
    }
  }

  /// Removes the lines of steps after `limit` and of epochs that are not finished yet.
  private func cut(to limit: Int, epochs finished: Int = .max) throws(Failure) {
    struct Line: Decodable { let kind: String?, step: Int?, epoch: Int? }
    try metrics.truncate { text in
      let line = try? JSONDecoder().decode(Line.self, from: Foundation.Data(text.utf8))
      return (line?.step ?? 0) <= limit && (line?.kind != "epoch" || (line?.epoch ?? 0) <= finished)
    }
    try epochs.truncate { text in
      let cells = text.split(separator: ",", omittingEmptySubsequences: false)
      guard cells.count > 1, let epoch = Int(cells[0]), let step = Int(cells[1]) else { return true }
      return step <= limit && epoch <= finished
    }
  }

  // MARK: Events

  package func observe(_ event: TrainingEvent) throws(Failure) {
    switch event {
    case .step(let report): try note(report)
    default: try inTurn { () throws(Failure) in try after { () throws(Failure) in try write(event) } }
    }
  }

  /// Queues the line of a step. For a step without a line, nothing is allocated.
  private func note(_ report: StepReport) throws(Failure) {
    seen.withLock { $0 = (report.step, report.epoch) }
    if everySteps > 0, report.step % everySteps == 0 {
      if backlog.add(1, ordering: .relaxed).newValue > RunDirectory.longestBacklog {
        try inTurn { () throws(Failure) in }
      }
      queue.async { [self] in
        keep { () throws(Failure) in try metrics.append(RunDirectory.line(report)) }
        backlog.subtract(1, ordering: .relaxed)
      }
    }
    if let trouble = troubles.withLock({ trouble in trouble.take() }) { throw trouble }
  }

  private func beat() {
    keep { () throws(Failure) in try writeStatus() }
  }

  /// Does work that no caller waits for. The next step reports its errors.
  private func keep(_ body: () throws(Failure) -> Void) {
    do throws(Failure) { try after(body) } catch { troubles.withLock { $0 = $0 ?? error } }
  }

  /// Checks the directory, at most once per second, and then runs `body`. After a longer silence, another training may
  /// have taken over the directory.
  ///
  /// - Throws: A notice or an earlier error, after `body` has run, or the error of `body`.
  private func after(_ body: () throws(Failure) -> Void) throws(Failure) {
    var trouble = troubles.withLock { trouble in trouble.take() }
    if ContinuousClock.now - attended > .seconds(1) {
      do throws(Failure) {
        if let notice = try see() { trouble = Failure(.inputOutput, notice) }
      } catch { trouble = error }
    }
    try body()
    if let trouble { throw trouble }
  }

  private func write(_ event: TrainingEvent) throws(Failure) {
    switch event {
    case .started(let report):
      seen.withLock { $0 = (report.resumedFrom ?? 0, report.resumedEpoch) }
      try metrics.append(RunDirectory.line(report))
      state = "training"
      try writeStatus()
    case .epoch(let report):
      try metrics.append(RunDirectory.line(report))
      try epochs.append(EpochNumber.row(report))
    case .checkpoint(let step, let epoch, let seconds):
      seen.withLock { $0 = (step, epoch) }
      try writeStatus()
      try metrics.append(
        JSON.object([
          ("kind", .text("checkpoint")), ("step", .integer(step)), ("epoch", .integer(epoch)),
          ("seconds", .number(seconds)),
        ]).text)
    case .rollback(let report):
      try cut(to: report.restoredStep)
      try metrics.append(RunDirectory.line(report))
    case .collapse(let epoch, let step, let message):
      try metrics.append(
        JSON.object([
          ("kind", .text("collapse")), ("epoch", .integer(epoch)), ("step", .integer(step)),
          ("message", .text(message)),
        ]).text)
    case .finding(let report):
      try metrics.append(
        JSON.object(
          [("kind", .text("finding")), ("epoch", .integer(report.epoch)), ("step", .integer(report.step))]
            + report.finding.entries
        ).text)
    case .treatment(let report):
      try metrics.append(
        JSON.object([
          ("kind", .text("treatment")), ("epoch", .integer(report.epoch)), ("step", .integer(report.step)),
          ("treatment", .text(report.response.rawValue)), ("number", .integer(report.number)),
          ("most", .integer(report.most)), ("message", .text(report.message)),
        ]).text)
    case .stopped(let reason, let step, let epoch):
      try metrics.append(
        JSON.object([
          ("kind", .text("stop")), ("reason", .text(reason.word)), ("step", .integer(step)), ("epoch", .integer(epoch)),
        ]).text)
      try metrics.sync()
      try epochs.sync()
      seen.withLock { $0 = (step, epoch) }
      heartbeat?.cancel()
      state = reason.isFinish ? "finished" : "stopped"
      try writeStatus(reason: reason.word)
    case .warning(let message):
      let at = seen.withLock { $0 }
      try metrics.append(
        JSON.object([
          ("kind", .text("warning")), ("step", .integer(at.step)), ("epoch", .integer(at.epoch)),
          ("message", .text(message)),
        ]).text)
    case .pictures, .embedding, .step: break
    }
  }

  /// Writes the final status of a run that failed.
  package func writeFailure(_ failure: Failure) {
    try? inTurn { () throws(Failure) in
      try after { () throws(Failure) in
        heartbeat?.cancel()
        state = "failed"
        try writeStatus(reason: failure.message, exit: failure.status.rawValue)
      }
    }
  }

  private func writeStatus(reason: String? = nil, exit: Int32? = nil) throws(Failure) {
    let at = seen.withLock { $0 }
    let text =
      JSON.object([
        ("state", .text(state)), ("step", .integer(at.step)), ("epoch", .integer(at.epoch)),
        ("heartbeat", .text(RunDirectory.now())), ("exit_reason", reason.map(JSON.text) ?? .null),
        ("exit", exit.map { .integer(Int($0)) } ?? .null),
      ]).text + "\n"
    try DurableFile.write(text, to: path + "/status.json")
    statusText = text
  }

  /// Whether the run did not record its end, which means that it was killed.
  package static func wasCutOff(_ path: String) -> Bool {
    struct Status: Decodable { let state: String }
    let bytes = (try? DurableFile.read(path + "/status.json")) ?? []
    let status = try? JSONDecoder().decode(Status.self, from: Foundation.Data(bytes))
    return ["starting", "training", nil].contains(status?.state)
  }

  private static func now() -> String { ISO8601DateFormatter().string(from: Date()) }

  private static func means(_ means: ELBOMeans) -> [(String, JSON)] {
    [("recon", .number(means.reconstruction)), ("kl", .number(means.kl)), ("neg_elbo", .number(means.negativeELBO))]
  }

  private static func line(_ report: StartReport) -> String {
    JSON.object([
      ("kind", .text(report.resumedFrom == nil ? "start" : "resume")), ("step", .integer(report.resumedFrom ?? 0)),
      ("epoch", .integer(report.resumedEpoch)), ("time", .text(now())), ("ranks", .integer(report.ranks)),
      ("data", .text(report.dataName)), ("shape", .text("\(report.shape)")),
      ("train_samples", .integer(report.trainSamples)), ("valid_samples", .integer(report.validSamples)),
      ("parameters", .integer(report.parameters)), ("total_steps", .integer(report.totalSteps)),
    ]).text
  }

  private static func line(_ report: StepReport) -> String {
    JSON.object(
      [
        ("kind", .text("step")), ("step", .integer(report.step)), ("epoch", .integer(report.epoch)),
        ("beta", .number(report.beta)), ("learning_rate", .number(report.learningRate)),
      ] + means(report.train) + [("grad_norm", .number(report.gradientNorm))]
    ).text
  }

  private static func line(_ report: RollbackReport) -> String {
    JSON.object([
      ("kind", .text("rollback")), ("step", .integer(report.restoredStep)),
      ("failing_step", .integer(report.failingStep)),
      ("attempt", .integer(report.attempt)), ("learning_rate_factor", .number(report.learningRateFactor)),
      ("rank", .integer(report.rank)), ("microbatch", .integer(report.microbatch)),
      ("operation", .text(report.operation)),
      ("samples", .array(report.samples.map(JSON.integer))),
    ]).text
  }

  /// The line of an epoch in `metrics.jsonl`, which `--progress json` prints as well.
  package static func line(_ report: EpochReport) -> String { EpochNumber.line(report).text }
}

extension StopReason {
  package var word: String {
    switch self {
    case .finished: "finished"
    case .signalled: "signal"
    case .maxTime: "max_time"
    case .collapsed: "collapse"
    case .stoppedEarly: "early_stopping"
    }
  }

  /// Descriptions of the values of `word`, for display.
  static let words = [
    StopReason.finished.word: "finished", StopReason.signalled.word: "stopped by a signal",
    StopReason.maxTime.word: "stopped at its time limit",
    StopReason.collapsed.word: "stopped by the collapse of its posterior",
    StopReason.stoppedEarly.word: "stopped by monitor.patience",
  ]
}
