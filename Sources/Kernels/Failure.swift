/// An error of the outside world: what happened and where, what to do about it, and the process's exit status.
///
/// Programmer errors are preconditions; everything a user can cause is a `Failure`.
package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
  /// Exit statuses, after sysexits.h where it has one.
  package enum Status: Int32, Sendable {
    case failure = 1
    case collapsed = 3
    case usage = 64
    case badData = 65
    case missingInput = 66
    case cannotCreate = 73
    case inputOutput = 74
    case stopped = 75
    case badConfiguration = 78
    case stalled = 86
    case diverged = 87
  }

  package var status: Status
  package var message: String
  package var hint: String?
  /// Whether every rank has this same failure, so that one may print it and all may leave in order.
  package var isCollective = false

  package init(_ status: Status, _ message: String, hint: String? = nil) {
    self.status = status
    self.message = message
    self.hint = hint
  }

  package var description: String {
    hint.map { "\(message)\n  hint: \($0)" } ?? message
  }
}
