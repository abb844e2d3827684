import Foundation
import Kernels
import Synchronization

extension Communicator {
  /// `together` for what may take any time as long as it moves, such as reading data: a thread does it, while this one
  /// compares notes with the other ranks every second. When the work of any has moved, the phase of all begins anew:
  /// neither who reads nor who waits is taken for one that hangs. `body` leaves MPI alone.
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

/// A piece of work on a thread of its own.
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

  /// Grows while the work moves, and once more at its end: a thread that a dead disk holds takes no processor time.
  var progress: Int {
    if ended.load(ordering: .relaxed) { return .max }
    var time = timespec()
    guard clock_gettime(clock.load(ordering: .relaxed), &time) == 0 else { return 0 }
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  /// Whether it ended within so long.
  func wait(seconds: Double) -> Bool {
    isDone = isDone || done.wait(timeout: .now() + seconds) == .success
    return isDone
  }

  /// Of work that was waited for.
  var outcome: Result<T, Failure> { result! }
}
