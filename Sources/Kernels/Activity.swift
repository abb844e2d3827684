import Synchronization

/// Something that may take long, told by whoever does it, so that somebody can show how far it is. One is within
/// another; the innermost is what the process is at.
package final class Activity: Sendable {
  /// For people: "reading data.csv".
  package let name: String
  /// 0 where nobody knows.
  package let total: Int
  package let began = ContinuousClock.now
  private let before: Int

  private static let running = Mutex<[Activity]>([])
  private static let count = Atomic<Int>(0)
  /// Called whenever one begins. (A closure that a Mutex holds by itself is wrapped once more whenever it is looked at.)
  private struct Listener { let hear: @Sendable () -> Void }
  private static let listener = Mutex<Listener?>(nil)

  /// `end` must be called.
  package init(_ name: String, of total: Int = 0) {
    self.name = name
    self.total = total
    before = Activity.count.exchange(0, ordering: .relaxed)
    Activity.running.withLock { $0.append(self) }
    Activity.listener.withLock { $0 }?.hear()
  }

  package func end() {
    Activity.running.withLock { $0.removeAll { $0 === self } }
    Activity.count.store(before, ordering: .relaxed)
  }

  /// So much more of the innermost is done.
  package static func advance(by count: Int = 1) { Activity.count.add(count, ordering: .relaxed) }

  package static var current: (activity: Activity, done: Int)? {
    running.withLock { $0.last }.map { (activity: $0, done: count.load(ordering: .relaxed)) }
  }

  package static func listen(_ began: @escaping @Sendable () -> Void) {
    listener.withLock { $0 = Listener(hear: began) }
  }
}
