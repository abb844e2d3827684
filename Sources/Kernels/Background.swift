import Glibc

/// Starts background threads, such as the watchdog, the prefetcher and data readers.
package enum Background {
  private final class Work {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// Fault signals stay unblocked. If a fault of the thread itself were blocked, the process would end before the
  /// handler could report the cause.
  private static let faults = [SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT]

  /// Starts a detached thread. External signals are blocked in it, because the stack of their handlers belongs to the
  /// main thread.
  package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(Failure) {
    var every = sigset_t(), before = sigset_t()
    sigfillset(&every)
    for fault in faults { sigdelset(&every, fault) }
    pthread_sigmask(SIG_SETMASK, &every, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let work = Unmanaged.passRetained(Work(body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
        return nil
      }, work.toOpaque())
    guard code == 0 else {
      work.release()
      throw Failure(
        .failure, "the \(name) thread cannot be started: \(String(cString: strerror(code)))",
        hint: "raise the limit of processes (ulimit -u)")
    }
    pthread_detach(thread)
  }
}
