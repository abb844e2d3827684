import Autograd
import Communication
import RunConfiguration
import Data
import Glibc
import Kernels
import VAE

/// Which microbatch: everything that its values depend on, beside data and seed.
struct BatchKey: Equatable {
  var slot: Int
  var step: Int
  var epoch: Int
  var attempt: Int
}

/// Gives the training graph its microbatches in order. One is loaded ahead of time where that pays, and thrown away
/// when another is asked for (after a rollback): who loads never shows in the bits.
final class Prefetcher {
  private let plan: BatchPlan
  private let slots: Range<Int>
  private let graph: ELBOGraph
  private let worker: PrefetchWorker
  private let mode: Prefetch
  private let hasSpareCore: Bool
  /// Whether a thread loads the next one.
  private(set) var isAhead: Bool
  private var trial = Trial()
  /// Of the microbatch that was loaded last: its samples and weights.
  private(set) var loader: BatchAssembler

  /// - slots: those of this rank. Collective.
  init(
    _ plan: BatchPlan, slots: Range<Int>, data: Dataset, configuration: Configuration, into graph: ELBOGraph,
    _ communicator: Communicator
  ) throws(Failure) {
    self.plan = plan
    self.slots = slots
    self.graph = graph
    mode = configuration.data.prefetch
    isAhead = mode == .on
    hasSpareCore = try Launcher.usableCores > communicator.ranksSharingCores() * configuration.train.threads
    worker = PrefetchWorker(plan, data, configuration)
    loader = worker.loaders[0]
    if mode != .off { try worker.start() }
  }

  deinit { worker.stop() }

  /// Puts a microbatch into the graph's input; returns the number of real samples.
  func load(_ key: BatchKey) throws(Failure) -> Int {
    let began = PhaseClock.now
    let batch = worker.take(key)
    if mode == .auto {
      let now = PhaseClock.now
      isAhead = trial.isHelpWanted(after: now - began, until: now, hasSpareCore: hasSpareCore)
    }
    loader = worker.loaders[batch.buffer]
    graph.graph.point(graph.x, to: worker.values[batch.buffer])
    if let y = graph.y { graph.graph.point(y, to: worker.conditions[batch.buffer]) }
    if isAhead { worker.request(next(key)) }
    if let failure = batch.failure { throw failure }
    return batch.filled
  }

  /// The microbatch that follows unless the run goes back.
  private func next(_ key: BatchKey) -> BatchKey {
    var next = key
    next.slot += 1
    guard next.slot == slots.upperBound else { return next }
    next.slot = slots.lowerBound
    next.step += 1
    guard next.step == plan.stepsPerEpoch else { return next }
    next.step = 0
    next.epoch += 1
    return next
  }
}

/// What `auto` rests on: some microbatches loaded without help, and, if loading seems worth a thread, some with it.
private struct Trial {
  private static let skipped = 16, length = 64
  private enum Stage { case alone, helped, over }
  private var stage = Stage.alone
  private var count = 0
  private var began: UInt64 = 0
  private var spent: UInt64 = 0
  private var spentAlone: UInt64 = 0
  private var faults = 0

  /// Times that this thread has waited for a page from the disk.
  private static var diskFaults: Int {
    let thread: Int32 = 1  // RUSAGE_THREAD, which the module map does not show
    var usage = rusage()
    getrusage(thread, &usage)
    return usage.ru_majflt
  }

  /// A microbatch took `nanoseconds` to come, until now; returns whether a thread should load the next.
  mutating func isHelpWanted(after nanoseconds: UInt64, until now: UInt64, hasSpareCore: Bool) -> Bool {
    guard stage != .over else { return spentAlone > 0 }
    count += 1
    // The first ones of either kind are about caches and threads that wake up.
    if count == Trial.skipped { (began, spent, faults) = (now, 0, Trial.diskFaults) } else { spent += nanoseconds }
    guard count == Trial.skipped + Trial.length else { return stage == .helped }
    count = 0
    guard stage == .alone else {
      // Where the cores are busy with others, help may be none.
      stage = .over
      if spent > spentAlone / 2 { spentAlone = 0 }
      return spentAlone > 0
    }
    let isSlow = spent / UInt64(Trial.length) > 20_000 && Double(spent) > 0.03 * Double(now - began)
    let canHelp = hasSpareCore || Trial.diskFaults - faults > Trial.length / 8
    stage = isSlow && canHelp ? .helped : .over
    spentAlone = isSlow && canHelp ? spent : 0
    return stage == .helped
  }
}

/// Two buffers and the thread that fills one while the other is computed on.
///
/// Safe to share: semaphores hand `key`, `batch` and one of the buffers to the thread with `request` and back with
/// `take`; the owner touches none of them in between, and data sets are only read.
private final class PrefetchWorker: @unchecked Sendable {
  struct Batch {
    var buffer: Int
    var filled = 0
    var failure: Failure?
  }

  let loaders: [BatchAssembler]
  let values: [UnsafeMutablePointer<Float>]
  /// Empty where the model is told nothing.
  let conditions: [UnsafeMutablePointer<Float>]
  private let plan: BatchPlan
  private let seed: UInt64
  private let wanted = Semaphore(), done = Semaphore()
  private var key: BatchKey?
  private var batch = Batch(buffer: 0)
  private var isUnderWay = false
  private var isStopping = false

  init(_ plan: BatchPlan, _ data: Dataset, _ configuration: Configuration) {
    self.plan = plan
    seed = UInt64(configuration.train.seed)
    let rows = plan.microbatch, count = rows * data.shape.elementCount
    loaders = (0..<2).map { _ in BatchAssembler(data: data, rows: rows, configuration: configuration.data) }
    values = (0..<2).map { _ in Buffer.allocate(Float.self, count: count) }
    conditions =
      data.condition.map { y in (0..<2).map { _ in Buffer.allocate(Float.self, count: rows * y.width) } } ?? []
  }

  deinit { for buffer in values + conditions { buffer.deallocate() } }

  func start() throws(Failure) {
    try Background.start("prefetch") { [self] in
      while true {
        wanted.wait()
        if isStopping { return }
        fill()
        done.signal()
      }
    }
  }

  func stop() {
    if isUnderWay { done.wait() }
    isStopping = true
    wanted.signal()
  }

  /// Has the thread load a microbatch into the buffer that is not in use.
  func request(_ next: BatchKey) {
    key = next
    batch.buffer = 1 - batch.buffer
    isUnderWay = true
    wanted.signal()
  }

  /// The microbatch asked for: as the thread has loaded it, or loaded now.
  func take(_ wanted: BatchKey) -> Batch {
    if isUnderWay { done.wait() }
    isUnderWay = false
    if key != wanted {
      key = wanted
      fill()
    }
    key = nil
    return batch
  }

  private func fill() {
    guard let key else { return }
    batch.failure = nil
    do {
      batch.filled = try loaders[batch.buffer].load(
        plan, slot: key.slot, step: key.step, into: values[batch.buffer],
        conditions.isEmpty ? nil : conditions[batch.buffer], seed: seed, attempt: key.attempt, epoch: key.epoch)
    } catch { batch.failure = error }
  }
}

/// A counting semaphore between two threads; waiting and signalling allocate nothing.
private final class Semaphore: @unchecked Sendable {
  private let place = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() { sem_init(place, 0, 0) }

  deinit {
    sem_destroy(place)
    place.deallocate()
  }

  func signal() { sem_post(place) }

  func wait() { while sem_wait(place) != 0 {} }
}
