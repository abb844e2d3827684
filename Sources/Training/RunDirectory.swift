import Foundation
import Kernels
import Persistence

/// What a run leaves behind: configuration, command, environment, metrics, epochs, status. Appended to, never wiped;
/// rank 0 only.
package final class RunDirectory: TrainingObserver {
  package let path: String
  private var metrics: LineLog
  private var epochs: LineLog
  private let lines: Preamble
  private var lock: RunLock
  /// Device and inode of the directory that the open files are in.
  private var identity: [UInt64]
  private let everySteps: Int
  private var at = (step: 0, epoch: 0)
  private var lastStatus = ContinuousClock.now - .seconds(60)
  private static let epochColumns = [
    "epoch", "step", "beta", "learning_rate", "train_recon", "train_kl", "train_neg_elbo", "valid_recon", "valid_kl",
    "valid_neg_elbo", "valid_recon_of_mean", "active_units", "grad_norm", "samples_per_second", "seconds", "ranks",
    "skipped", "rollbacks", "slowest_rank", "wait_share",
  ]

  /// What is written once, and again where the directory has to be made again.
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

  /// Opens the directory, which `lock` holds; metrics beyond the step that the run resumes from are cut back, and so is
  /// the line of an epoch that it resumes within: `epochs` are finished. `environment`: who and what computes.
  package init(
    path: String, lock: RunLock, configuration: Configuration, command: [String], environment: [(String, JSON)],
    resumedFrom step: Int?, epochs finished: Int = .max
  ) throws(Failure) {
    self.path = path
    self.lock = lock
    everySteps = configuration.log.everySteps
    identity = RunDirectory.identity(of: path)
    lines = Preamble(
      configuration: configuration.yaml, command: command.map(RunDirectory.quoted).joined(separator: " "),
      environment: JSON.object(environment).text + "\n")
    try lines.write(to: path)
    metrics = try LineLog(path: path + "/metrics.jsonl")
    epochs = try LineLog(path: path + "/epochs.csv")
    try cut(to: step ?? 0, epochs: finished)
    try writeHeader()
    if let step { try metrics.append(JSON.object([("kind", .text("resume")), ("step", .integer(step))]).text) }
    at = (step ?? 0, step == nil ? 0 : finished)
    try writeStatus("starting")
  }

  private func writeHeader() throws(Failure) {
    if try epochs.isEmpty() { try epochs.append(RunDirectory.epochColumns.joined(separator: ",")) }
  }

  /// Sees that the directory is still there and still this run's. One that has vanished is made again: returns what
  /// the user should know then.
  package func attend() throws(Failure) -> String? {
    if RunDirectory.identity(of: path) == identity, lock.isHeld { return nil }
    if let other = lock.otherHolder {
      throw Failure(
        .cannotCreate, "\(path): another training has taken over the run directory: \(other)",
        hint: "stop one of the two")
    }
    let isSame = RunDirectory.identity(of: path) == identity
    if !isSame { try RunDirectory.make(path) }
    lock = try RunLock(directory: path)
    if isSame { return "\(path)/lock was removed, and is made again" }
    try lines.write(to: path)
    metrics = try LineLog(path: path + "/metrics.jsonl")
    epochs = try LineLog(path: path + "/epochs.csv")
    try writeHeader()
    identity = RunDirectory.identity(of: path)
    return "the run directory \(path) was moved or removed while training; it is made again, without what was in it"
  }

  /// Lets another training have the directory.
  package func close() { lock.release() }

  private static func identity(of path: String) -> [UInt64] {
    var status = stat()
    return stat(path, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : []
  }

  /// Makes a directory and its parents.
  package static func make(_ path: String) throws(Failure) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw Failure(
        .cannotCreate, "\(path): the run directory cannot be created: \(error.localizedDescription)",
        hint: "choose a place you may write to with --run DIR")
    }
  }

  /// Removes the lines of steps that the run went back behind, and of epochs that it has yet to finish.
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

  /// A word as a shell would need it.
  private static func quoted(_ word: String) -> String {
    let plain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "/._-+=:,@%".contains($0) }
    return plain ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }

  // MARK: Events

  package func observe(_ event: TrainingEvent) throws(Failure) {
    switch event {
    case .started(let report):
      at = (report.resumedFrom ?? 0, report.resumedEpoch)
      try writeStatus("training")
    case .step(let report):
      if everySteps > 0, report.step % everySteps == 0 { try metrics.append(RunDirectory.line(report)) }
      at = (report.step, report.epoch)
      if ContinuousClock.now - lastStatus > .seconds(10) {
        lastStatus = .now
        let notice = try attend()
        try writeStatus("training")
        if let notice { throw Failure(.inputOutput, notice) }
      }
    case .epoch(let report):
      try metrics.append(RunDirectory.line(report))
      try epochs.append(RunDirectory.row(report))
    case .checkpoint(let step, let epoch, let seconds):
      at = (step, epoch)
      try writeStatus("training")
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
    case .stopped(let reason, let step, let epoch):
      try metrics.append(
        JSON.object([
          ("kind", .text("stop")), ("reason", .text(reason.word)), ("step", .integer(step)), ("epoch", .integer(epoch)),
        ]).text)
      try metrics.sync()
      try epochs.sync()
      at = (step, epoch)
      try writeStatus(reason == .finished ? "finished" : "stopped", reason: reason.word)
    case .pictures, .warning: break
    }
  }

  /// The last word of a run that failed.
  package func writeFailure(_ failure: Failure) {
    try? writeStatus("failed", reason: failure.message, exit: failure.status.rawValue)
  }

  private func writeStatus(_ state: String, reason: String? = nil, exit: Int32? = nil) throws(Failure) {
    lastStatus = .now
    try DurableFile.write(
      JSON.object([
        ("state", .text(state)), ("step", .integer(at.step)), ("epoch", .integer(at.epoch)),
        ("heartbeat", .text(RunDirectory.now())), ("exit_reason", reason.map(JSON.text) ?? .null),
        ("exit", exit.map { .integer(Int($0)) } ?? .null),
      ]).text + "\n", to: path + "/status.json")
  }

  private static func now() -> String { ISO8601DateFormatter().string(from: Date()) }

  private static func means(_ means: ELBOMeans) -> [(String, JSON)] {
    [("recon", .number(means.reconstruction)), ("kl", .number(means.kl)), ("neg_elbo", .number(means.negativeELBO))]
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

  /// The line of an epoch, also printed by `--progress json`.
  package static func line(_ report: EpochReport) -> String {
    JSON.object([
      ("kind", .text("epoch")), ("epoch", .integer(report.epoch)), ("step", .integer(report.step)),
      ("beta", .number(report.beta)), ("learning_rate", .number(report.learningRate)),
      ("train", .object(means(report.train))),
      ("valid", .object(means(report.valid.means) + [("recon_of_mean", .number(report.valid.reconstructionOfMean))])),
      ("active_units", .integer(report.valid.activeUnits)), ("kl_per_unit", .numbers(report.valid.klPerUnit)),
      ("grad_norm", .number(report.gradientNorm)), ("samples_per_second", .number(report.samplesPerSecond)),
      ("seconds", .number(report.seconds)), ("ranks", .integer(report.ranks)), ("skipped", .integer(report.skipped)),
      ("rollbacks", .integer(report.rollbacks)), ("slowest_rank", .integer(report.slowestRank)),
      ("wait_share", .number(report.waitShare)),
    ]).text
  }

  private static func row(_ r: EpochReport) -> String {
    let numbers: [Double] = [
      r.beta, r.learningRate, r.train.reconstruction, r.train.kl, r.train.negativeELBO, r.valid.means.reconstruction,
      r.valid.means.kl, r.valid.means.negativeELBO, r.valid.reconstructionOfMean,
    ]
    return
      (["\(r.epoch)", "\(r.step)"] + numbers.map(decimalText) + [
        "\(r.valid.activeUnits)", decimalText(r.gradientNorm), decimalText(r.samplesPerSecond), decimalText(r.seconds),
        "\(r.ranks)", "\(r.skipped)", "\(r.rollbacks)", "\(r.slowestRank)", decimalText(r.waitShare),
      ]).joined(separator: ",")
  }
}

extension StopReason {
  package var word: String {
    switch self {
    case .finished: "finished"
    case .signalled: "signal"
    case .maxTime: "max_time"
    case .collapsed: "collapse"
    }
  }
}
