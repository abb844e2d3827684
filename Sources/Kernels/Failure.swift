/// An error with a cause outside the program: a message, an optional hint for the user, and the exit status of the
/// process.
///
/// Programming errors are preconditions. Every error that a user can cause is a `Failure`.
package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
  /// Exit statuses. Values from sysexits.h are used where they exist.
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
  /// Whether every rank has the same failure. If so, one rank prints it and all ranks exit in order.
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
