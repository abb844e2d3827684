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
  /// What to set, each as `--set` takes it.
  package let settings: [String]
  /// What to do beside or instead.
  private let note: String?
  /// What to do, for people; settings come first, ready for the command line.
  package var advice: String? { Finding.advice(settings, note) }

  package init(
    _ level: Level, _ check: String, _ message: String, settings: [String] = [], advice: String? = nil
  ) {
    (self.level, self.check, self.message, self.settings, note) = (level, check, message, settings, advice)
  }

  /// Behind a number sign a shell reads no further.
  static func advice(_ settings: [String], _ note: String?) -> String? {
    let words = [settings.isEmpty ? nil : settings.map { "--set \($0)" }.joined(separator: " "), note]
    let known = words.compactMap { $0 }
    return known.isEmpty ? nil : known.joined(separator: "  # ")
  }

  /// A warning that has come true, and how.
  package func graver(_ words: String) -> Finding {
    Finding(.problem, check, "\(message): \(words)", settings: settings, advice: note)
  }

  static func ok(_ check: String, _ message: String) -> Finding { Finding(.ok, check, message) }
}

extension Finding {
  /// Of what is wrong with a model or a run; stable names: programs rely on them.
  package var entries: [(String, JSON)] {
    [
      ("cause", .text(check)), ("severity", .text(level.rawValue)), ("evidence", .text(message)),
      ("remedy", advice.map(JSON.text) ?? .null), ("settings", .array(settings.map(JSON.text))),
    ]
  }

  /// For people, on two lines.
  package var text: String { "\(check): \(message)" + (advice.map { "\n  fix: \($0)" } ?? "") }
}
