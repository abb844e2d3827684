import Autograd
import Communication
import RunConfiguration
import Data
import Glibc
import Kernels
import VAE

/// Identifies a microbatch. Together with the data set and the seed, it determines all values of the microbatch.
struct BatchKey: Equatable {
  var slot: Int
  var step: Int
  var epoch: Int
  var attempt: Int
}

/// Loads microbatches into the training graph in order.
///
/// Where it pays off, a background thread loads the next microbatch ahead of time. A microbatch that was loaded ahead
/// is discarded if a different one is requested, for example after a rollback. The values do not depend on which thread
/// loads them.
final class Prefetcher {
  private let plan: BatchPlan
  private let slots: Range<Int>
  private let graph: ELBOGraph
  private let worker: PrefetchWorker
  private let mode: Prefetch
  private let hasSpareCore: Bool
  /// Whether the background thread loads the next microbatch.
  private(set) var isAhead: Bool
  private var trial = Trial()
  /// The loader of the current microbatch, with its samples and weights.
  private(set) var loader: BatchAssembler

  /// Creates a prefetcher. Collective.
  ///
  /// - Parameter slots: The slots that this rank computes.
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

  /// Loads a microbatch into the graph's input. Returns the number of samples without padding.
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

  /// The microbatch that follows `key` unless the run is rolled back.
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

/// Measurement on which the `auto` mode decides. It times some microbatches that are loaded without the background
/// thread and, if loading takes long enough, some that are loaded with it.
private struct Trial {
  private static let skipped = 16, length = 64
  private enum Stage { case alone, helped, over }
  private var stage = Stage.alone
  private var count = 0
  private var began: UInt64 = 0
  private var spent: UInt64 = 0
  private var spentAlone: UInt64 = 0
  private var faults = 0

  /// Number of times that this thread has waited for a page from the disk.
  private static var diskFaults: Int {
    let thread: Int32 = 1  // RUSAGE_THREAD, which the module map does not export
    var usage = rusage()
    getrusage(thread, &usage)
    return usage.ru_majflt
  }

  /// Records that a microbatch took `nanoseconds` to load. Returns whether the background thread should load the next.
  mutating func isHelpWanted(after nanoseconds: UInt64, until now: UInt64, hasSpareCore: Bool) -> Bool {
    guard stage != .over else { return spentAlone > 0 }
    count += 1
    // The first microbatches of each stage measure cold caches and threads that wake up.
    if count == Trial.skipped { (began, spent, faults) = (now, 0, Trial.diskFaults) } else { spent += nanoseconds }
    guard count == Trial.skipped + Trial.length else { return stage == .helped }
    count = 0
    guard stage == .alone else {
      // The background thread may not help if other work keeps the cores busy.
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

/// Two buffers and the thread that fills one of them while the other is in use.
///
/// The class is safe to share between the two threads: semaphores hand `key`, `batch` and one of the buffers to the
/// thread in `request` and back to the owner in `take`. The owner touches none of them in between, and data sets are
/// only read.
private final class PrefetchWorker: @unchecked Sendable {
  struct Batch {
    var buffer: Int
    var filled = 0
    var failure: Failure?
  }

  let loaders: [BatchAssembler]
  let values: [UnsafeMutablePointer<Float>]
  /// Empty if the model is unconditional.
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

  /// Makes the thread load a microbatch into the buffer that is not in use.
  func request(_ next: BatchKey) {
    key = next
    batch.buffer = 1 - batch.buffer
    isUnderWay = true
    wanted.signal()
  }

  /// Returns the requested microbatch. If the thread has not loaded it, it is loaded now.
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

/// A counting semaphore between two threads. Waiting and signalling allocate no memory.
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
