import Communication
import Data
import Foundation
import Kernels
import Layers
import VAE

/// Whether a run goes on from a checkpoint.
package enum ResumeMode: Sendable, Equatable {
  /// If the run directory has one.
  case auto
  case none
  /// From this run or checkpoint directory, which must have one.
  case path(String)
}

/// Everything made before the first step: data shared out, model recorded, ranks agreed, state restored.
package final class TrainingSetup {
  package let configuration: Configuration
  package let communicator: Communicator
  package let clock: PhaseClock
  package let data: DataSplit
  package let plan: BatchPlan
  package let autoencoder: VariationalAutoencoder
  package let optimizer: Optimizer
  /// One copy of parameters and moments for the ranks of a node.
  package let shared: NodeMemory?
  package let checkpoints: Checkpoints
  package private(set) var state: TrainingState
  package private(set) var conductor: Conductor
  package private(set) var resumedFrom: Int?
  /// Whether the checkpoint is one of this run's own, though another run was named; on rank 0.
  private var goesOn = false
  package var warnings: [String] = []

  /// Collective. `checkpointDirectory` is used by rank 0 alone; nil for a run that writes nothing.
  package init(
    _ configuration: Configuration, _ communicator: Communicator, checkpointDirectory: String?, resume: ResumeMode,
    clock: PhaseClock = PhaseClock()
  ) throws(Failure) {
    self.configuration = configuration
    self.communicator = communicator
    self.clock = clock
    try communicator.together { () throws(Failure) in
      try Products.select(configuration.train.products, threads: configuration.train.threads)
    }
    let data = try TrainingSetup.openShare(configuration, communicator)
    self.data = data
    clock.enter(.start)
    let plan = TrainingSetup.plan(configuration, data)
    self.plan = plan
    if plan.batchSize < configuration.train.batchSize {
      warnings.append(
        "train.batch_size is \(configuration.train.batchSize), and there are \(plan.count) training samples: "
          + "it is \(plan.batchSize)"
      )
    }

    let shape = data.train.shape
    autoencoder = try communicator.together { () throws(Failure) in
      try VariationalAutoencoder(
        configuration.modelSettings(shape), likelihood: configuration.likelihood,
        objective: configuration.objectiveSettings, seed: UInt64(configuration.train.seed)
      ) { autoencoder throws(Failure) in
        try MemoryNeed(configuration, autoencoder, plan, communicator).requireFit()
      }
    }
    checkpoints = Checkpoints(
      directory: communicator.isRoot ? checkpointDirectory : nil, keep: configuration.checkpoint.keep,
      metadata: ModelMetadata(
        configuration: configuration, shape: data.train.shape, scaling: data.train.scaling
      ).entries)

    var state = TrainingState()
    state.seed = configuration.train.seed
    state.batchSize = plan.batchSize
    state.microbatch = plan.microbatch
    state.slots = plan.slots
    state.trainSamples = plan.count
    state.dataFingerprint = data.train.fingerprint
    state.validFingerprint = data.valid.fingerprint
    state.products = Products.description
    state.productThreads = Products.threads
    state.cpuLevel = Int(vd_cpu_level())
    state.plannedSteps = configuration.totalSteps(plan)
    state.configuration = configuration.texts
    self.state = state
    try communicator.agree(on: [
      ("program", programVersion), ("configuration", configuration.yaml), ("training data", data.train.fingerprint),
      ("validation data", data.valid.fingerprint), ("initial parameters", autoencoder.store.digest()),
      ("matrix products", Products.description), ("product threads", "\(Products.threads)"),
      ("CPU level", "\(vd_cpu_level())"),
    ])
    (shared, optimizer) = try TrainingSetup.placeParameters(autoencoder.store, configuration, communicator)
    warnings += try Binding.warnings(communicator, threads: configuration.train.threads)
    let (steps, planned) = (plan.stepsPerEpoch, state.plannedSteps)
    conductor = try communicator.together { () throws(Failure) in
      try Conductor(configuration, stepsPerEpoch: steps, totalSteps: planned)
    }
    try restore(resume)
  }

  /// A smaller batch than this may be larger than the data: the rest of it is padding, and several ranks can share it.
  private static let paddedBatch = 1024

  /// Slots, rows of a microbatch and steps that a configuration means for a data set; a large batch has at most its
  /// samples.
  package static func plan(_ configuration: Configuration, _ data: DataSplit) -> BatchPlan {
    BatchPlan(
      count: data.train.count, batchSize: min(configuration.train.batchSize, max(data.train.count, paddedBatch)),
      microbatch: configuration.train.microbatch)
  }

  /// Gives shared memory back where no trainer does; collective.
  package func close() { shared?.close() }

  /// One copy of parameters and moments for the node, or one for each rank; of the node's, each updates its part.
  private static func placeParameters(
    _ store: ParameterStore, _ configuration: Configuration, _ communicator: Communicator
  ) throws(Failure) -> (NodeMemory?, Optimizer) {
    let topology = communicator.topology, count = store.count
    guard configuration.sharesParameters(topology) else {
      return (nil, Optimizer(configuration.optimizer, count: count))
    }
    let stride = (count + 15) & ~15
    let isFirst = topology.nodeRank == 0
    let memory = try NodeMemory(topology, bytes: isFirst ? 3 * stride * 4 : 0)
    let base = memory.parts[0].assumingMemoryBound(to: Float.self)
    store.move(to: base, copies: isFirst)
    try topology.barrier()
    let share = ExchangePlan.share(of: count, neighbour: topology.nodeRank, neighbours: topology.neighbours.count)
    return (
      memory,
      Optimizer(
        configuration.optimizer, count: count, first: base + stride, second: base + 2 * stride, share: share)
    )
  }

  // MARK: Data

  private static func openShare(_ configuration: Configuration, _ communicator: Communicator) throws(Failure)
    -> DataSplit
  {
    let data = try communicator.together { () throws(Failure) in try open(configuration) }
    let plan = plan(configuration, data)
    guard plan.slots >= communicator.size else {
      var failure = Failure(
        .badConfiguration,
        "\(communicator.size) ranks for \(plan.slots) microbatches of \(plan.microbatch): some would have nothing to do",
        hint: plan.batchSize >= communicator.size
          ? "give --microbatch \(max(1, plan.batchSize / communicator.size)) or less, or a larger --batch-size"
          : "give a --batch-size of \(communicator.size) or more, or fewer ranks")
      failure.isCollective = true
      throw failure
    }
    let tree = ReductionTree(leaves: plan.slots, ranks: communicator.size)
    let slots = tree.range(of: communicator.rank)
    let train = plan.strata(slots)
    var valid = Validator.share(
      of: Validator.count(of: data.valid, configuration), rank: communicator.rank, size: communicator.size)
    if communicator.isRoot, data.train.shape.isImage, configuration.monitor.picturesEvery > 0 {
      // Its pictures show the first samples, whoever validates on them.
      valid = 0..<max(valid.upperBound, min(PictureMaker.stripCount, data.valid.count))
    }
    let validShare = valid
    try communicator.together { () throws(Failure) in try data.prepare(train: train, valid: validShare) }
    let scaling = try findScaling(configuration, data, plan, slots, communicator)
    for set in [data.train, data.valid] {
      set.scaling = scaling
      // A value that is drawn from is a probability, whatever the likelihood.
      set.requiresUnitInterval =
        configuration.likelihood.requiresUnitInterval || configuration.data.binarize == .dynamic
    }
    try communicator.together { () throws(Failure) in
      // What is read once anyway is checked now; a share beyond this is checked as it is used.
      if train.count * data.train.shape.elementCount <= checkedElements { try data.train.check(train) }
      if validShare.count * data.valid.shape.elementCount <= checkedElements { try data.valid.check(validShare) }
    }
    return data
  }

  private static let checkedElements = 1 << 26

  /// Opens the sets that a configuration names, without reading their rows.
  package static func open(_ configuration: Configuration) throws(Failure) -> DataSplit {
    let data = configuration.data
    do {
      return try openData(data.source, validation: data.validation == "auto" ? nil : data.validation)
    } catch {
      if error.status == .missingInput, data.validation != "auto", error.message.hasPrefix(data.validation + ":") {
        var failure = error
        failure.hint = "--valid (data.validation) names it: give a fraction such as 0.1, or a path that is there"
        throw failure
      }
      guard error.status == .missingInput, data.source == ConfigurationSchema.source(ofPreset: configuration.preset)
      else { throw error }
      var failure = error
      failure.hint =
        "the preset \(configuration.preset) needs data of yours: give --data PATH"
        + (configuration.preset == "mnist-mlp" ? " (`scripts/fetch-data mnist` downloads MNIST to data/mnist)" : "")
      throw failure
    }
  }

  /// Scaling from the training rows alone: moments of each stratum, joined in the order of the strata.
  private static func findScaling(
    _ configuration: Configuration, _ data: DataSplit, _ plan: BatchPlan, _ slots: Range<Int>,
    _ communicator: Communicator
  ) throws(Failure) -> Scaling {
    let mode = configuration.data.scale
    switch mode {
    case .none: return .identity
    case .unit: return Scaling(offset: [0], scale: [1 / 255])
    case .auto where data.train.element != .u8: return .identity
    case .auto:
      let largest = try communicator.together { () throws(Failure) in
        try data.train.largestByte(of: plan.strata(slots))
      }
      return defaultScaling(element: data.train.element, maximum: Double(try communicator.maximum([Int64(largest)])[0]))
    case .minmax, .standardize: break
    }
    let mine = try communicator.together { () throws(Failure) -> [Double] in
      var all = [Double]()
      for slot in slots { all += try data.train.moments(of: plan.stratum(slot)).serialized }
      return all
    }
    let width = data.train.shape.elementCount
    var moments = Moments(width: width)
    for bytes in try communicator.gather(mine.withUnsafeBytes { [UInt8]($0) }) {
      let values = bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
      for at in stride(from: 0, to: values.count, by: 1 + 4 * width) {
        moments.merge(Moments(serialized: Array(values[at..<at + 1 + 4 * width])))
      }
    }
    if mode == .minmax {
      let low = moments.minimum, high = moments.maximum
      return Scaling(
        offset: low.map(Float.init), scale: zip(low, high).map { $1 > $0 ? Float(1 / ($1 - $0)) : 1 })
    }
    // A constant column has no scale of its own: centred, it says nothing, as it should.
    return Scaling(
      offset: moments.mean.map(Float.init),
      scale: (0..<width).map { moments.variance($0) > 1e-24 ? Float(1 / moments.variance($0).squareRoot()) : 1 })
  }

  // MARK: Resuming

  private func restore(_ resume: ResumeMode) throws(Failure) {
    guard resume != .none else { return }
    let named = checkpointSource(resume)
    let bytes = try communicator.together { () throws(Failure) in try choose(from: named, resume) }
    let agreed = try communicator.broadcast(bytes)
    guard !agreed.isEmpty else { return }
    let saved = try TrainingState.decode(agreed, from: "state.json")
    let communicator = communicator
    try communicator.together { () throws(Failure) in try checkSame(saved) }
    let source = goesOn ? checkpoints : named
    try source.restore(step: saved.step, autoencoder.store, optimizer, communicator)
    checkpoints.resumed(at: saved.step)
    optimizer.updates = saved.updates
    if saved.plannedSteps != state.plannedSteps {
      warnings.append(
        "schedules stay laid out for \(saved.plannedSteps) steps, as the run began, not \(state.plannedSteps)")
    }
    let (configuration, stepsPerEpoch) = (configuration, plan.stepsPerEpoch)
    var schedules = try communicator.together { () throws(Failure) in
      try Conductor(configuration, stepsPerEpoch: stepsPerEpoch, totalSteps: saved.plannedSteps)
    }
    schedules.state = saved.conductor
    conductor = schedules
    let fresh = state
    state = saved
    state.configuration = fresh.configuration
    (state.products, state.cpuLevel, state.productThreads) = (fresh.products, fresh.cpuLevel, fresh.productThreads)
    state.program = fresh.program
    state.validFingerprint = fresh.validFingerprint
    if !goesOn, !source.isSamePlace(as: checkpoints) { state.origin = source.origin(step: saved.step) }
    resumedFrom = saved.step
  }

  private func checkpointSource(_ resume: ResumeMode) -> Checkpoints {
    guard case .path(let path) = resume else { return checkpoints }
    return Checkpoints(reading: communicator.isRoot ? path : nil)
  }

  /// The state to go on from, encoded; empty when there is none, and on ranks other than 0.
  private func choose(from source: Checkpoints, _ resume: ResumeMode) throws(Failure) -> [UInt8] {
    guard communicator.isRoot else { return [] }
    if case .path = resume, let own = try ownLater(than: source) { return try own.encoded() }
    let found = source.newest(where: fault)
    describe(found.skipped)
    if let state = found.state { return try state.encoded() }
    guard case .path(let path) = resume else {
      guard let first = found.skipped.first else { return [] }
      throw Failure(
        .badData, "there are checkpoints, but none can be read: \(first.reason.message)",
        hint: "repair the run directory, or begin anew with another --run")
    }
    if let first = found.skipped.first, first.reason.status != .missingInput {
      throw Failure(
        .badData, "\(path): no checkpoint that can be read: \(first.reason.message)", hint: first.reason.hint)
    }
    throw Failure(
      .missingInput, "\(path): no checkpoint to resume from", hint: "give a run directory or one of its checkpoints")
  }

  /// A run that began from `source` before goes on from its own newest checkpoint. One with later checkpoints of
  /// another descent is not overwritten.
  private func ownLater(than source: Checkpoints) throws(Failure) -> TrainingState? {
    guard !source.isSamePlace(as: checkpoints) else { return nil }
    let own = checkpoints.newest(where: fault)
    guard let latest = own.state else { return nil }
    if source.isOrigin(latest.origin) {
      describe(own.skipped)
      goesOn = true
      return latest
    }
    guard let step = source.newest(where: fault).state?.step, latest.step > step else { return nil }
    throw Failure(
      .cannotCreate,
      "the run directory has a later checkpoint (step \(latest.step)) than the one to resume from (step \(step))",
      hint: "choose another --run for what begins at step \(step)")
  }

  /// What is wrong with a state of this very training, beside its numbers by themselves.
  private func fault(_ saved: TrainingState) -> String? {
    let isSamePlan =
      (saved.batchSize, saved.slots, saved.trainSamples) == (state.batchSize, state.slots, state.trainSamples)
    return isSamePlan ? saved.cursorFault(stepsPerEpoch: plan.stepsPerEpoch) : nil
  }

  private func describe(_ skipped: [(step: Int, reason: Failure)]) {
    for (step, reason) in skipped {
      warnings.append(
        step < 0
          ? "the checkpoints cannot be read: \(reason.message)"
          : "the checkpoint of step \(step) is damaged and was passed over: \(reason.message)")
    }
  }

  /// What would change the bits of the run is refused or said.
  private func checkSame(_ saved: TrainingState) throws(Failure) {
    var differing: [String] = []
    func compare<T: Equatable>(_ name: String, _ old: T, _ new: T) {
      if old != new { differing.append("\(name) was \(old), is \(new)") }
    }
    compare("train.seed", saved.seed, state.seed)
    compare("train.batch_size", saved.batchSize, state.batchSize)
    compare("microbatch", saved.microbatch, state.microbatch)
    compare("microbatches of a step", saved.slots, state.slots)
    compare("training samples", saved.trainSamples, state.trainSamples)
    compare("the training data's digest", saved.dataFingerprint.prefix(12), state.dataFingerprint.prefix(12))
    let changed = ConfigurationSchema.keys.filter { key in
      !key.isFreeOnResume && saved.configuration[key.path].map { $0 != state.configuration[key.path] } ?? false
    }
    func describe(_ key: ConfigurationKey) -> String {
      "\(key.path) was \(saved.configuration[key.path] ?? ""), is \(state.configuration[key.path] ?? "")"
    }
    differing += changed.filter { $0.section == "model" }.map(describe)
    guard differing.isEmpty else {
      throw Failure(
        .badConfiguration, "cannot resume: \(differing.joined(separator: "; "))",
        hint: "resume with the run's own config.yaml, or begin anew with --resume none and another --run")
    }
    if saved.validFingerprint != state.validFingerprint {
      warnings.append("the validation data has changed since the checkpoint: its numbers compare with none before")
    }
    let others = changed.filter {
      $0.section != "model" && !["train.seed", "train.batch_size", "train.microbatch"].contains($0.path)
    }
    if !others.isEmpty {
      warnings.append(
        "the configuration has changed since the checkpoint, so the run goes on, but not to the same bits: "
          + others.map(describe).joined(separator: "; "))
    }
    if saved.products != state.products || saved.cpuLevel != state.cpuLevel
      || saved.productThreads != state.productThreads
    {
      warnings.append(
        "this CPU computes with other kernels (\(state.products), level \(state.cpuLevel), \(state.productThreads) threads) than "
          + "before (\(saved.products), level \(saved.cpuLevel), \(saved.productThreads)): the run goes on, but not to the same bits"
      )
    }
  }
}
