import Communication
import RunConfiguration
import Data
import Kernels
import Layers
import Optimizers
import VAE

/// Everything that is created before the first step: data, model, optimiser and checkpoints, with the restored state if
/// the run is resumed. All ranks have agreed on it.
package final class TrainingSetup {
  package let configuration: Configuration
  package let communicator: Communicator
  package let clock: PhaseClock
  package let data: DataSplit
  package let plan: BatchPlan
  package let autoencoder: VariationalAutoencoder
  package let optimizer: Optimizer
  /// Shared copy of the parameters and the optimiser state of a node's ranks; nil if each rank has its own copy.
  package let shared: NodeMemory?
  package let checkpoints: Checkpoints
  package let state: TrainingState
  package private(set) var coordinator: Coordinator
  package private(set) var resumedFrom: Int?
  package var warnings: [String] = []
  /// Findings about the configuration and the data before the first step, on rank 0.
  package private(set) var findings: [Finding] = []

  /// Opens the data, builds the model, and restores a checkpoint if there is one to resume from. Collective.
  ///
  /// - Parameter checkpointDirectory: Used on rank 0 only; nil for a run that writes nothing.
  package init(
    _ configuration: Configuration, _ communicator: Communicator, checkpointDirectory: String?, resume: ResumeMode,
    clock: PhaseClock = PhaseClock()
  ) throws(Failure) {
    self.configuration = configuration
    self.communicator = communicator
    self.clock = clock
    try communicator.agree(on: configuration, resume)
    try communicator.together { () throws(Failure) in
      try Products.select(configuration.train.products, threads: configuration.train.threads)
    }
    let data = try communicator.together(keepingAlive: clock) { () throws(Failure) in try configuration.openSets() }
    try communicator.agree(on: data)
    self.data = data
    let plan = TrainingSetup.plan(configuration, data)
    self.plan = plan
    try TrainingSetup.requireWork(plan, for: communicator)
    try DataShare(configuration, data, plan, communicator, clock).prepare()
    if plan.batchSize < configuration.train.batchSize {
      warnings.append(
        "train.batch_size is \(configuration.train.batchSize), but there are only \(plan.count) training samples, "
          + "so \(plan.batchSize) is used"
      )
    }
    if configuration.train.overfitBatches > 0 {
      warnings.append(
        "train.overfit_batches: only the first \(plan.count) training samples are used for training and validation")
    }

    warnings += configuration.settingsWithoutEffect

    let shape = data.train.shape, schema = data.train.schema
    autoencoder = try communicator.together { () throws(Failure) in
      try VariationalAutoencoder(
        configuration.modelSettings(shape, schema, data.train.condition), among: configuration.schema.registries,
        likelihood: configuration.likelihood(schema),
        objective: configuration.objectiveSettings, seed: UInt64(configuration.train.seed)
      ) { autoencoder throws(Failure) in
        try MemoryNeed(configuration, autoencoder, plan, communicator).requireFit()
      }
    }
    checkpoints = Checkpoints(
      directory: communicator.isRoot ? checkpointDirectory : nil, keep: configuration.checkpoint.keep,
      metadata: ModelMetadata(
        configuration: configuration, shape: shape, scaling: data.train.scaling, schema: schema,
        condition: data.train.condition
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
    state.plannedSteps = configuration.plannedSteps(plan)
    state.configuration = configuration.texts
    let resumption = Resumption(
      resume, of: state, configuration.schema, stepsPerEpoch: plan.stepsPerEpoch, into: checkpoints, communicator)
    let saved = try resumption.find()
    if saved == nil {
      try TrainingSetup.fillFromData(autoencoder.store, data.train, plan, communicator)
    }
    // A resumed run has its own weights, and the file may no longer exist.
    if saved == nil, configuration.train.initFrom != "none" {
      warnings += try InitialWeights.take(configuration, autoencoder.store, data.train.scaling, communicator)
    }
    try communicator.agreeOnArithmetic(initial: autoencoder.store.digest())
    (shared, optimizer) = try TrainingSetup.placeParameters(autoencoder.store, configuration, communicator)
    warnings += try Binding.warnings(communicator, threads: configuration.train.threads)
    if let saved {
      state = try resumption.restore(saved, autoencoder.store, optimizer)
      resumedFrom = state.step
    }
    warnings += resumption.warnings
    self.state = state
    let (steps, planned, elements) = (plan.stepsPerEpoch, state.plannedSteps, autoencoder.elements)
    coordinator = try communicator.together { () throws(Failure) in
      try Coordinator(configuration, stepsPerEpoch: steps, totalSteps: planned, elements: elements)
    }
    coordinator.state = state.coordinator
    warnings += coordinator.warnings(totalSteps: planned)
    if communicator.isRoot { keepBest() }
    if resumedFrom == nil {
      findings = try ConfigurationChecks.findings(
        configuration, data.train, plan, totalSteps: planned, communicator, clock)
    }
  }

  /// Keeps the record of the best epoch, on rank 0, only if its weights are still on disk, and points the name `best`
  /// to them.
  private func keepBest() {
    let best = coordinator.state.epochs.bestStep
    if checkpoints.has(step: best) { checkpoints.markBest(best) } else { coordinator.state.epochs.forgetBest() }
  }

  /// A batch size up to this value is kept even if it is larger than the data set. The rest of the batch is padding, so
  /// that several ranks can share the samples.
  private static let paddedBatch = 1024

  /// Plan of slots, microbatch rows and steps for a data set. A batch size above `paddedBatch` is limited to the number
  /// of training samples.
  private static func plan(_ configuration: Configuration, _ data: DataSplit) -> BatchPlan {
    BatchPlan(
      count: data.train.count, batchSize: min(configuration.train.batchSize, max(data.train.count, paddedBatch)),
      microbatch: configuration.train.microbatch)
  }

  private static func requireWork(_ plan: BatchPlan, for communicator: Communicator) throws(Failure) {
    guard plan.slots < communicator.size else { return }
    var failure = Failure(
      .badConfiguration,
      "\(communicator.size) ranks for \(plan.slots) microbatches of \(plan.microbatch): some would have nothing to do",
      hint: plan.batchSize >= communicator.size
        ? "give --microbatch \(max(1, plan.batchSize / communicator.size)) or less, or a larger --batch-size"
        : "give a --batch-size of \(communicator.size) or more, or fewer ranks")
    failure.isCollective = true
    throw failure
  }

  /// Initialises the parameters that start as training samples, evenly spaced over the data set. Collective.
  ///
  /// Each sample is read by the rank that trains on it, so that the choice does not depend on the number of ranks.
  private static func fillFromData(
    _ store: ParameterStore, _ train: Dataset, _ plan: BatchPlan, _ communicator: Communicator
  ) throws(Failure) {
    let elements = train.shape.elementCount
    let slots = ReductionTree(leaves: plan.slots, ranks: communicator.size).range(of: communicator.rank)
    let own = plan.strata(slots)
    try store.fillFromData { parameter throws(Failure) in
      let rows = parameter.shape.count / elements
      precondition(
        rows > 0 && parameter.shape.count == rows * elements,
        "parameter \(parameter.name) \(parameter.shape) begins as samples of \(elements) values")
      let chosen = (0..<train.count).spaced(rows), mine = chosen.filter(own.contains)
      let read = try communicator.together { () throws(Failure) -> [Float] in
        let values = Buffer(count: mine.count * elements)
        try mine.withUnsafeBufferPointer { mine throws(Failure) in try train.fill(mine, into: values.base) }
        return Array(UnsafeBufferPointer(start: values.base, count: values.count))
      }
      let all = try communicator.gather(read.withUnsafeBytes { [UInt8]($0) }).flatMap { part in
        part.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      }
      // If the data set has too few samples, each of them is used several times.
      return (0..<parameter.shape.count).map { all[$0 % all.count] }
    }
  }

  /// Releases shared memory if no trainer does. Collective.
  package func close() { shared?.close() }

  /// Places parameters and optimiser state in one copy per node, or in one copy per rank. With a shared copy, each rank
  /// updates its own part.
  package static func placeParameters(
    _ store: ParameterStore, _ configuration: Configuration, _ communicator: Communicator
  ) throws(Failure) -> (NodeMemory?, Optimizer) {
    let topology = communicator.topology, settings = try configuration.optimizerSettings
    let count = store.learnedCount, statistics = store.statisticCount
    guard configuration.sharesParameters(topology) else {
      let optimizer = Optimizer(settings, count: count, statistics: statistics)
      optimizer.begin(with: store.values)
      return (nil, optimizer)
    }
    let stride = (store.count + 15) & ~15, buffers = 1 + settings.buffers
    let isFirst = topology.nodeRank == 0
    let memory = try NodeMemory(topology, bytes: isFirst ? buffers * stride * 4 : 0)
    let base = memory.parts[0].assumingMemoryBound(to: Float.self)
    store.move(to: base, copies: isFirst)
    let share = ExchangePlan.share(of: count, neighbour: topology.nodeRank, neighbours: topology.neighbours.count)
    let optimizer = Optimizer(
      settings, count: count, statistics: statistics, memory: base + stride, stride: stride, share: share)
    if isFirst { optimizer.begin(with: base) }
    try topology.barrier()
    return (memory, optimizer)
  }
}
