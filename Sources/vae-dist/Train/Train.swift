import ArgumentParser
import Communication
import RunConfiguration
import Foundation
import Kernels
import Persistence
import Reporting
import Results
import Training

let versionText = programVersion

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a model. Without arguments, train on the embedded digits.",
    discussion: """
      vae-dist train
      mpirun -np 2 vae-dist train --preset mnist-mlp --data mnist/ --max-epochs 10
      vae-dist train --preset tabular --data table.csv --set model.latent=4
      vae-dist train --print-config > config.yaml; vae-dist train config.yaml
      """)

  @Argument(help: ArgumentHelp("Configuration in YAML.", valueName: "config.yaml"))
  var file: String?
  @Option(help: "Starting point: \(ConfigurationSchema.presetNames).") var preset: String?
  @Option(help: "digits, shapes[:N], or a path: folder of images, IDX, MNIST's or CIFAR-10's folder, .npy, .npz, .csv.")
  var data: String?
  @Option(help: "Validation data: a fraction of the rows, or another source.") var valid: String?
  @Option(
    name: .customLong("run"), help: "Run directory (default: runs/<time>-<preset>, or runs/$SLURM_JOB_ID).")
  var directory: String?
  @Option(name: .customLong("set"), help: ArgumentHelp("Any key of the configuration.", valueName: "section.key=value"))
  var assignments: [String] = []
  @Option(help: "auto (if the run directory has a checkpoint), none, or a run or checkpoint directory.")
  var resume = "auto"
  @Option(help: "Begin with the weights of a run, a checkpoint or a .safetensors file.") var initFrom: String?
  @Option(help: "Purpose of the model: generation, anomaly or disentanglement. Chooses beta and says why.")
  var task: String?
  @Option(help: "Seed of initial values, order and noise.") var seed: String?
  @Option(help: "Samples per step, over all ranks.") var batchSize: String?
  @Option(help: "Samples per microbatch; 0: an eighth of the batch.") var microbatch: String?
  @Option(help: "Passes over the training data.") var maxEpochs: String?
  @Option(help: "Stop after this number of steps.") var maxSteps: String?
  @Option(help: "Checkpoint and stop with status 75 after this time, such as 3h50m.") var maxTime: String?
  @Option(help: "Epochs between checkpoints.") var checkpointEvery: String?
  @Option(help: "Number of newest checkpoints to keep, besides the best.") var keep: String?
  @Option(help: "BLAS threads per rank.") var threads: String?
  @Flag(help: "Exit with status 3 when the posterior collapses.") var failOnCollapse = false
  @Flag(help: "Write a time line of every rank to trace.json (for chrome://tracing or Perfetto).") var profile = false
  @Flag(help: "Show model, data and memory, and train nothing.") var dryRun = false
  @Flag(help: "Run one step, one chunk of validation, a checkpoint and pictures as a test; keep nothing.")
  var fastDevRun = false
  @Flag(
    help:
      "Try learning rates from 1e-6 to 10 in 200 steps, and suggest one; nothing is kept (--progress json: one object)."
  )
  var findLearningRate = false
  @Option(help: "Train and validate on this number of batches, always the same ones.") var overfitBatches: String?
  @Flag(help: "Print the resolved configuration, ready to be used as a file.") var printConfig = false
  @Option(help: "auto, bar, plain, json or none.") var progress: String?
  @OptionGroup var quietness: ProgressOption
  @Flag(name: .shortAndLong, help: "Checkpoints too.") var verbose = false
  @Option(help: .hidden) var injectNan: String?
  @Option(help: .hidden) var slowRank: String?
  @Flag(help: .hidden) var printOptions = false

  func resolve() throws(Failure) -> Configuration {
    let flags: [(String, String?)] = [
      ("data.source", data), ("data.validation", valid), ("objective.task", task), ("train.seed", seed),
      ("train.batch_size", batchSize),
      ("train.microbatch", microbatch), ("train.max_epochs", maxEpochs), ("train.max_steps", maxSteps),
      ("train.max_time", maxTime), ("train.overfit_batches", overfitBatches),
      ("train.init_from", initFrom),
      ("checkpoint.every_epochs", checkpointEvery), ("checkpoint.keep", keep),
      ("train.threads", threads), ("monitor.fail_on_collapse", failOnCollapse ? "true" : nil),
      ("log.progress", quietness.quiet ? "none" : progress),
    ]
    return try Configuration.resolve(
      preset: preset, file: file, environment: ProcessInfo.processInfo.environment, assignments: assignments,
      flags: flags.compactMap { path, text in text.map { (path, $0) } })
  }

  func run() throws {
    if printOptions {
      if Launcher.expectedRank == 0 { try Output.result(ConfigurationSchema.standard.markdown) }
      return
    }
    if printConfig {
      if Launcher.expectedRank == 0 { try Output.result(try resolve().yaml) }
      return
    }
    guard directory != "" else {
      throw Failure(
        .usage, "--run '' names no directory", hint: "give a path, or leave --run out for runs/<time>-<preset>")
    }
    guard resume != "" else { throw Failure(.usage, "--resume '' names no run", hint: "give auto, none or a path") }
    let mode: ResumeMode =
      switch resume {
      case "auto": .auto
      case "none": .none
      default: .path(resume)
      }
    let faults = PlantedFaults(
      injection: injectNan.flatMap(NaNInjection.init), delay: slowRank.flatMap(RankDelay.init))
    guard injectNan == nil || faults.injection != nil else {
      throw Failure(.usage, "--inject-nan \(injectNan ?? ""): write STEP:RANK")
    }
    guard slowRank == nil || faults.delay != nil else {
      throw Failure(.usage, "--slow-rank \(slowRank ?? ""): write RANK:MILLISECONDS")
    }
    // A run that is asked to stop while it starts stops after its first step and writes a checkpoint.
    StopSignals.install([SIGUSR1])
    try VaeDist.withRanks { communicator throws(Failure) in
      // The ranks resolve the configuration together, so that an error on a single host is reported, too.
      let configuration = try communicator.together { () throws(Failure) in try resolve() }
      if communicator.isRoot, ![.none, .json].contains(configuration.log.progress) { ActivityLine.start() }
      try communicator.agree(
        on: [
          ("--dry-run", "\(dryRun)"), ("--fast-dev-run", "\(fastDevRun)"), ("--profile", "\(profile)"),
          ("--find-learning-rate", "\(findLearningRate)"),
        ], status: .badConfiguration, hint: "give every rank the same arguments")
      if findLearningRate { return try RateSearch.run(configuration, communicator) }
      if fastDevRun { return try TrainingRun.tryOut(configuration.trial(), communicator) }
      return try TrainingRun(
        configuration, communicator, mode, run: directory, isVerbose: verbose, faults: faults
      )
      .go(isDry: dryRun, isProfiled: profile)
    }
  }
}

/// A training run with its directory, observers, setup and trainer.
private struct TrainingRun {
  let configuration: Configuration
  let communicator: Communicator
  let resume: ResumeMode
  let directory: String
  let isVerbose: Bool
  let faults: PlantedFaults

  init(
    _ configuration: Configuration, _ communicator: Communicator, _ resume: ResumeMode, run: String?, isVerbose: Bool,
    faults: PlantedFaults
  ) throws(Failure) {
    self.configuration = configuration
    self.communicator = communicator
    self.resume = resume
    self.isVerbose = isVerbose
    self.faults = faults
    directory = try communicator.broadcast(TrainingRun.directory(run, resume, configuration))
  }

  /// Runs a trial in a temporary directory, which is removed afterwards.
  static func tryOut(_ configuration: Configuration, _ communicator: Communicator) throws(Failure) -> Int32 {
    let place = FileManager.default.temporaryDirectory.path + "/vae-dist-trial-\(UUID().uuidString)"
    let run = try TrainingRun(
      configuration, communicator, .none, run: place, isVerbose: false, faults: PlantedFaults())
    defer { if communicator.isRoot { try? FileManager.default.removeItem(atPath: run.directory) } }
    return try run.go(isDry: false, isProfiled: false)
  }

  private static func directory(_ run: String?, _ resume: ResumeMode, _ configuration: Configuration) -> String {
    if let run { return run }
    if case .path(let path) = resume, FileManager.default.fileExists(atPath: path + "/checkpoints") { return path }
    if let job = ProcessInfo.processInfo.environment["SLURM_JOB_ID"], !job.isEmpty { return "runs/\(job)" }
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyyMMdd-HHmmss"
    let base = "runs/\(formatter.string(from: Date()))-\(configuration.preset)"
    var name = base, number = 2
    while FileManager.default.fileExists(atPath: name) {
      name = "\(base)-\(number)"
      number += 1
    }
    return name
  }

  func go(isDry: Bool, isProfiled: Bool) throws(Failure) -> Int32 {
    let early = try communicator.together { () throws(Failure) in isDry ? nil : try lockIfThere() }
    let clock = PhaseClock()
    try Watchdog(clock, rank: communicator.rank, of: communicator.size, limit: configuration.train.watchdog).start()
    let setup = try TrainingSetup(
      configuration, communicator, checkpointDirectory: isDry ? nil : checkpoints, resume: isDry ? .none : resume,
      clock: clock)
    if isDry {
      try communicator.together { () throws(Failure) in
        if communicator.isRoot { try Output.result(try DryRun.text(setup)) }
      }
      setup.close()
      return 0
    }
    guard try hasWork(setup) else {
      setup.close()
      return 0
    }
    StopSignals.install()
    let console: any TrainingObserver =
      configuration.isTrial
      ? TrialConsole() : ProgressConsole(style: configuration.log.progress, isVerbose: isVerbose)
    let record = try communicator.together { () throws(Failure) in try openRecord(setup, early) }
    defer { record?.close() }
    do {
      let reason = try train(setup, observers: record.map { [console, $0] + writers } ?? [], isProfiled)
      if communicator.isRoot, configuration.log.progress != .none, configuration.log.progress != .json {
        Output.say("run directory: \(directory)\n")
      }
      // Only with exit status 0 may the other ranks exit before rank 0 has written the report. With any other status
      // the first rank to exit makes the launcher end the job.
      if reason.isFinish {
        communicator.finish()
        clock.finish()
      }
      if let record { report(record) }
      switch reason {
      case .finished, .stoppedEarly: return 0
      case .signalled, .maxTime: return Failure.Status.stopped.rawValue
      case .collapsed: return Failure.Status.collapsed.rawValue
      }
    } catch {
      if let record {
        record.writeFailure(error)
        report(record)
      }
      throw error
    }
  }

  private func train(
    _ setup: TrainingSetup, observers: [any TrainingObserver], _ isProfiled: Bool
  ) throws(Failure) -> StopReason {
    let trainer = try Trainer(setup, observers: observers, faults: faults)
    let recording = isProfiled ? try PhaseRecording(setup.clock, communicator) : nil
    let reason = try trainer.run()
    if let recording { try TraceFile.write(recording, to: directory + "/trace.json", communicator) }
    trainer.close()
    return reason
  }

  private func report(_ record: RunDirectory) {
    do throws(Failure) { try ReportPage.write(ofRun: directory) } catch {
      Output.complain("vae-dist: warning: \(error)\n")
      try? record.observe(.warning("\(error)"))
    }
  }

  private var checkpoints: String { directory + "/checkpoints" }

  /// The observers that write pictures and curves.
  private var writers: [any TrainingObserver] {
    let tensorBoard =
      configuration.log.tensorboard
      ? TensorBoardWriter(runDirectory: directory, everySteps: configuration.log.everySteps) : nil
    let writers: [(any TrainingObserver)?] = [
      PictureWriter(runDirectory: directory, tensorBoard: tensorBoard), tensorBoard,
    ]
    return writers.compactMap { $0 }
  }

  /// Locks the run directory if it exists, before anything in it is read. Rank 0 only.
  private func lockIfThere() throws(Failure) -> RunLock? {
    guard communicator.isRoot else { return nil }
    if resume == .none, FileManager.default.fileExists(atPath: checkpoints) {
      throw Failure(
        .cannotCreate, "\(directory): it contains a run already",
        hint: "choose another --run, or resume it with --resume auto")
    }
    return FileManager.default.fileExists(atPath: directory) ? try lock() : nil
  }

  private func lock() throws(Failure) -> RunLock {
    let lock = try RunLock(directory: directory)
    lock.keepAlive { VaeDist.leaveAtOnce($0) }
    return lock
  }

  /// Creates the run directory, once nothing can prevent the training any more. Rank 0 only.
  private func openRecord(_ setup: TrainingSetup, _ early: RunLock?) throws(Failure) -> RunDirectory? {
    guard communicator.isRoot else { return nil }
    if early == nil { try RunDirectory.make(directory) }
    let lock = if let early { early } else { try lock() }
    if early == nil, FileManager.default.fileExists(atPath: checkpoints) {
      throw Failure(
        .cannotCreate, "\(directory): another training has begun in it meanwhile",
        hint: "start again to resume it, or choose another --run")
    }
    if let notice = lock.notice { setup.warnings.append(notice) }
    let record = try RunDirectory(
      path: directory, lock: lock, configuration: configuration, command: CommandLine.arguments,
      environment: environment(setup), resumedFrom: setup.resumedFrom, epochs: setup.state.epoch,
      lost: { VaeDist.leaveAtOnce($0) })
    setup.checkpoints.beforeSaving = { () throws(Failure) in try record.attend() }
    setup.checkpoints.beforeInstalling = record.requireLock
    return record
  }

  /// Whether there are steps left to train. A finished run prints a message and is not a failure, because a job may be
  /// started again after its last checkpoint. A run that was killed before it recorded its end is completed. Throws if
  /// the checkpoint that a new run starts from leaves nothing to train.
  private func hasWork(_ setup: TrainingSetup) throws(Failure) -> Bool {
    let total = configuration.totalSteps(setup.plan), isSpent = setup.coordinator.isExhausted
    guard let step = setup.resumedFrom, step >= total || isSpent else { return true }
    let isCutOff = try communicator.together { () throws(Failure) -> Bool in
      guard communicator.isRoot else { return false }
      let text =
        "\(directory): nothing left to train: "
        + (isSpent ? "it stopped early at step \(step)" : "\(step) steps are done, and the limit is \(total)")
      let hint =
        "raise \(isSpent ? "monitor.patience" : "--max-epochs (or --max-steps)") to continue, "
        + "or choose another --run for a new training"
      guard FileManager.default.fileExists(atPath: checkpoints) else { throw Failure(.usage, text, hint: hint) }
      if RunDirectory.wasCutOff(directory) { return true }
      Output.complain("vae-dist: \(text)\n  hint: \(hint)\n")
      return false
    }
    return try communicator.maximum([isCutOff ? 1 : 0])[0] > 0
  }

  private func environment(_ setup: TrainingSetup) -> [(String, JSON)] {
    let process = ProcessInfo.processInfo
    return [
      ("program", .text(programVersion)), ("host", .text(Launcher.hostName)),
      ("system", .text(process.operatingSystemVersionString)), ("cores", .integer(process.activeProcessorCount)),
      ("usable_cores", .integer(Launcher.usableCores)), ("ranks", .integer(communicator.size)),
      ("ranks_on_this_node", .integer(communicator.nodeSize)), ("mpi", .text(Communicator.library)),
      ("blas_core", .text(Products.description)), ("blas_threads", .integer(Products.threads)),
      ("cpu_level", .integer(Int(vd_cpu_level()))),
      ("slurm_job", process.environment["SLURM_JOB_ID"].map(JSON.text) ?? .null),
    ]
  }
}
