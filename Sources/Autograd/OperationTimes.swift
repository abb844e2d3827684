import Glibc

/// Seconds spent in each operation of a graph, forward and backward together, since the object was made.
package final class OperationTimes {
  private let seconds: UnsafeMutablePointer<Double>
  private let count: Int
  private var since = OperationTimes.now

  package init(_ graph: Graph) {
    count = graph.operations.count
    seconds = .allocate(capacity: max(count, 1))
    seconds.initialize(repeating: 0, count: max(count, 1))
  }

  deinit { seconds.deallocate() }

  package subscript(_ operation: Int) -> Double { seconds[operation] }

  /// Starts timing a replay.
  func begin() { since = OperationTimes.now }

  /// Adds the time since the last mark to `operation`.
  func mark(_ operation: Int) {
    let now = OperationTimes.now
    seconds[operation] += now - since
    since = now
  }

  private static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }
}
