import Synchronization

/// A task that may take long, such as reading a file. Code that performs such a task makes an `Activity`, so that the
/// progress can be shown. Activities may be nested, and the innermost one is current.
package final class Activity: Sendable {
  /// Description for people, such as "reading data.csv".
  package let name: String
  /// Total amount of work; 0 if it is unknown.
  package let total: Int
  package let began = ContinuousClock.now
  private let before: Int

  private static let running = Mutex<[Activity]>([])
  private static let count = Atomic<Int>(0)
  /// A listener that is called whenever an activity begins. (It is a struct because a closure stored directly in a
  /// Mutex is wrapped again at each access.)
  private struct Listener { let hear: @Sendable () -> Void }
  private static let listener = Mutex<Listener?>(nil)

  /// Begins an activity. `end` must be called when it is done.
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

  /// Adds `count` to the completed work of the innermost activity.
  package static func advance(by count: Int = 1) { Activity.count.add(count, ordering: .relaxed) }

  /// The innermost running activity and its completed work; nil if none is running.
  package static var current: (activity: Activity, done: Int)? {
    running.withLock { $0.last }.map { (activity: $0, done: count.load(ordering: .relaxed)) }
  }

  /// Sets the listener that is called whenever an activity begins.
  package static func listen(_ began: @escaping @Sendable () -> Void) {
    listener.withLock { $0 = Listener(hear: began) }
  }
}
