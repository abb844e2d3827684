import Glibc

/// Threads beside the one that computes: the watchdog, the prefetch, reading data.
package enum Background {
  private final class Work {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// A blocked fault of the thread itself would end the process before its handler can say why.
  private static let faults = [SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT]

  /// Starts a thread that nobody waits for. It receives no signals from outside: their handlers' stack is the computing
  /// thread's.
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
