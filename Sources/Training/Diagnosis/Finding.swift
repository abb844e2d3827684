import Persistence

/// What an examination found, and what to do about it.
package struct Finding: Equatable, Sendable {
  package enum Level: String, Comparable, Sendable {
    case ok, warning, problem
    package static func < (a: Level, b: Level) -> Bool { a.order < b.order }
    private var order: Int { self == .ok ? 0 : self == .warning ? 1 : 2 }
  }

  package let level: Level
  /// What was looked at, or what is wrong: a word or two.
  package let check: String
  package let message: String
  package let advice: String?

  package init(_ level: Level, _ check: String, _ message: String, advice: String? = nil) {
    (self.level, self.check, self.message, self.advice) = (level, check, message, advice)
  }

  static func ok(_ check: String, _ message: String) -> Finding { Finding(.ok, check, message) }
}

extension Finding {
  /// Of what is wrong with a model or a run; stable names: programs rely on them.
  package var entries: [(String, JSON)] {
    [
      ("cause", .text(check)), ("severity", .text(level.rawValue)), ("evidence", .text(message)),
      ("remedy", advice.map(JSON.text) ?? .null),
    ]
  }

  /// For people, on two lines.
  package var text: String { "\(check): \(message)" + (advice.map { "\n  fix: \($0)" } ?? "") }
}
