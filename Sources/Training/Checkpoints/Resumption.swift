import Communication
import RunConfiguration
import Kernels
import Layers
import Optimizers

/// Whether a run continues from a checkpoint.
package enum ResumeMode: Sendable, Equatable {
  /// Resume if the run directory contains a checkpoint.
  case auto
  case none
  /// Resume from this run or checkpoint directory, which must contain a checkpoint.
  case path(String)

  var text: String {
    switch self {
    case .auto: "auto"
    case .none: "none"
    case .path(let path): path
    }
  }
}

/// Finds the checkpoint that a run continues from and checks it on rank 0, then restores it on all ranks.
final class Resumption {
  private let mode: ResumeMode
  /// The initial state of a run that does not resume.
  private let fresh: TrainingState
  private let schema: ConfigurationSchema
  private let stepsPerEpoch: Int
  /// The run's own checkpoints, and the checkpoints to resume from.
  private let own: Checkpoints
  private let named: Checkpoints
  private let communicator: Communicator
  /// Whether the run continues from its own checkpoint although another run was named; on rank 0.
  private var goesOn = false
  private(set) var warnings: [String] = []

  init(
    _ mode: ResumeMode, of fresh: TrainingState, _ schema: ConfigurationSchema, stepsPerEpoch: Int,
    into own: Checkpoints,
    _ communicator: Communicator
  ) {
    self.mode = mode
    self.fresh = fresh
    self.schema = schema
    self.stepsPerEpoch = stepsPerEpoch
    self.own = own
    self.communicator = communicator
    if case .path(let path) = mode {
      named = Checkpoints(reading: communicator.isRoot ? path : nil)
    } else {
      named = own
    }
  }

  /// Returns the state to resume from, or nil if there is none. Collective.
  ///
  /// - Throws: `Failure` if no checkpoint is readable, or if the run cannot continue from it with this configuration.
  func find() throws(Failure) -> TrainingState? {
    guard mode != .none else { return nil }
    let bytes = try communicator.together { () throws(Failure) in try choose() }
    let agreed = try communicator.broadcast(bytes)
    guard !agreed.isEmpty else { return nil }
    let saved = try TrainingState.decode(agreed, from: "state.json")
    try communicator.together { () throws(Failure) in try checkSame(saved) }
    return saved
  }

  /// Restores parameters and optimiser state. Returns the state that this run continues with. Collective.
  func restore(_ saved: TrainingState, _ store: ParameterStore, _ optimizer: Optimizer) throws(Failure) -> TrainingState
  {
    let source = goesOn ? own : named
    try source.restore(step: saved.step, store, optimizer, communicator)
    own.resumed(at: saved.step)
    var state = saved
    state.configuration = fresh.configuration
    (state.products, state.cpuLevel, state.productThreads) = (fresh.products, fresh.cpuLevel, fresh.productThreads)
    state.program = fresh.program
    state.validFingerprint = fresh.validFingerprint
    if !goesOn, !source.isSamePlace(as: own) { state.origin = source.origin(step: saved.step) }
    return state
  }

  /// The encoded state to resume from; empty if there is none, and on ranks other than 0.
  private func choose() throws(Failure) -> [UInt8] {
    guard communicator.isRoot else { return [] }
    if case .path = mode, let own = try ownLater() { return try own.encoded() }
    let found = named.newest(where: fault)
    describe(found.skipped)
    if let state = found.state { return try state.encoded() }
    guard case .path(let path) = mode else {
      guard let first = found.skipped.first else { return [] }
      throw Failure(
        .badData, "there are checkpoints, but none can be read: \(first.reason.message)",
        hint: "repair the run directory, or start again with another --run")
    }
    if let first = found.skipped.first, first.reason.status != .missingInput {
      throw Failure(
        .badData, "\(path): no checkpoint that can be read: \(first.reason.message)", hint: first.reason.hint)
    }
    throw Failure(
      .missingInput, "\(path): no checkpoint to resume from", hint: "give a run directory or one of its checkpoints")
  }

  /// A run that has already started from the named checkpoint continues from its own newest checkpoint. The method
  /// throws if the run directory has later checkpoints of a different origin, so that they are not overwritten.
  private func ownLater() throws(Failure) -> TrainingState? {
    guard !named.isSamePlace(as: own) else { return nil }
    let newest = own.newest(where: fault)
    guard let latest = newest.state else { return nil }
    if named.isOrigin(latest.origin) {
      describe(newest.skipped)
      goesOn = true
      return latest
    }
    guard let step = named.newest(where: fault).state?.step, latest.step > step else { return nil }
    throw Failure(
      .cannotCreate,
      "the run directory has a later checkpoint (step \(latest.step)) than the one to resume from (step \(step))",
      hint: "choose another --run for a run that begins at step \(step)")
  }

  /// Describes a position that is impossible in a run with this batch plan; nil if there is none.
  private func fault(_ saved: TrainingState) -> String? {
    let isSamePlan =
      (saved.batchSize, saved.slots, saved.trainSamples) == (fresh.batchSize, fresh.slots, fresh.trainSamples)
    return isSamePlan ? saved.cursorFault(stepsPerEpoch: stepsPerEpoch) : nil
  }

  private func describe(_ skipped: [(step: Int, reason: Failure)]) {
    for (step, reason) in skipped {
      warnings.append(
        step < 0
          ? "the checkpoints cannot be read: \(reason.message)"
          : "the checkpoint of step \(step) is damaged and was skipped: \(reason.message)")
    }
  }

  /// Compares the saved state with this run. A difference in the model, the batch plan or the training data throws, and
  /// other differences that change the results add a warning.
  private func checkSame(_ saved: TrainingState) throws(Failure) {
    var differing: [String] = []
    func compare<T: Equatable>(_ name: String, _ old: T, _ new: T) {
      if old != new { differing.append("\(name) was \(old), is \(new)") }
    }
    compare("train.seed", saved.seed, fresh.seed)
    compare("train.batch_size", saved.batchSize, fresh.batchSize)
    compare("microbatch", saved.microbatch, fresh.microbatch)
    compare("microbatches of a step", saved.slots, fresh.slots)
    compare("training samples", saved.trainSamples, fresh.trainSamples)
    compare("the training data's digest", saved.dataFingerprint.prefix(12), fresh.dataFingerprint.prefix(12))
    let changed = schema.keys.filter { key in
      !key.isFreeOnResume && saved.configuration[key.path].map { $0 != fresh.configuration[key.path] } ?? false
    }
    func describe(_ key: ConfigurationKey) -> String {
      "\(key.path) was \(saved.configuration[key.path] ?? ""), is \(fresh.configuration[key.path] ?? "")"
    }
    differing += changed.filter { $0.section == "model" }.map(describe)
    guard differing.isEmpty else {
      throw Failure(
        .badConfiguration, "cannot resume: \(differing.joined(separator: "; "))",
        hint: "resume with the run's own config.yaml, or start again with --resume none and another --run")
    }
    if saved.validFingerprint != fresh.validFingerprint {
      warnings.append(
        "the validation data has changed since the checkpoint, so its figures cannot be compared with earlier ones")
    }
    if saved.plannedSteps != fresh.plannedSteps {
      warnings.append(
        "schedules stay planned for the \(saved.plannedSteps) steps that the run began with, not for \(fresh.plannedSteps)"
      )
    }
    let others = changed.filter {
      $0.section != "model" && !["train.seed", "train.batch_size", "train.microbatch"].contains($0.path)
    }
    if !others.isEmpty {
      warnings.append(
        "the configuration has changed since the checkpoint, so the run continues but does not give the same bits: "
          + others.map(describe).joined(separator: "; "))
    }
    if saved.products != fresh.products || saved.cpuLevel != fresh.cpuLevel
      || saved.productThreads != fresh.productThreads
    {
      warnings.append(
        "this CPU computes with other kernels (\(fresh.products), level \(fresh.cpuLevel), "
          + "\(fresh.productThreads) threads) than before (\(saved.products), level \(saved.cpuLevel), "
          + "\(saved.productThreads)): the run continues but does not give the same bits")
    }
  }
}
