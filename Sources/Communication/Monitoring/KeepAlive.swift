import Foundation
import Kernels
import Synchronization

extension Communicator {
  /// Runs `body` like `together`, for work such as reading data that may take any time as long as it makes progress.
  ///
  /// `body` runs on a thread of its own and must not call MPI. Meanwhile this thread compares progress with the other
  /// ranks every second. Whenever any rank has made progress, all ranks enter the phase anew, so that the watchdog
  /// treats neither a reading nor a waiting rank as hung.
  package func together<T>(
    keepingAlive clock: PhaseClock, _ body: @escaping () throws(Failure) -> T
  ) throws(Failure) -> T {
    let work = Work(body)
    work.start()
    try compareNotes(on: work, clock)
    return try together { () throws(Failure) in try work.outcome.get() }
  }

  private func compareNotes<T>(on work: Work<T>, _ clock: PhaseClock) throws(Failure) {
    var before = work.progress
    var waiting: Activity?
    defer { waiting?.end() }
    while true {
      let isDone = work.wait(seconds: 1), now = work.progress
      let all = try maximum([isDone ? 0 : 1, now > before ? 1 : 0])
      if all[1] > 0 { clock.enter(.start) }
      if all[0] == 0 { return }
      before = now
      if isDone, waiting == nil { waiting = Activity("waiting for other ranks") }
    }
  }
}

/// Work that runs on a thread of its own.
private final class Work<T>: @unchecked Sendable {
  private let body: () throws(Failure) -> T
  private let done = DispatchSemaphore(value: 0)
  private var isDone = false
  private let clock = Atomic<clockid_t>(-1)
  private let ended = Atomic<Bool>(false)
  private var result: Result<T, Failure>?

  init(_ body: @escaping () throws(Failure) -> T) { self.body = body }

  func start() {
    do throws(Failure) { try Background.start("reading") { [self] in run() } } catch { end(.failure(error)) }
  }

  private func run() {
    var own: clockid_t = -1
    if pthread_getcpuclockid(pthread_self(), &own) == 0 { clock.store(own, ordering: .relaxed) }
    do throws(Failure) { end(.success(try body())) } catch { end(.failure(error)) }
  }

  private func end(_ result: Result<T, Failure>) {
    self.result = result
    ended.store(true, ordering: .relaxed)
    done.signal()
  }

  /// A number that grows while the work makes progress, and once more at its end. It is the processor time of the
  /// thread, which does not grow while the thread is blocked by a dead disk.
  var progress: Int {
    if ended.load(ordering: .relaxed) { return .max }
    var time = timespec()
    guard clock_gettime(clock.load(ordering: .relaxed), &time) == 0 else { return 0 }
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  /// Waits for up to `seconds` and returns whether the work has ended.
  func wait(seconds: Double) -> Bool {
    isDone = isDone || done.wait(timeout: .now() + seconds) == .success
    return isDone
  }

  /// The result of the work, which must have been waited for.
  var outcome: Result<T, Failure> { result! }
}
