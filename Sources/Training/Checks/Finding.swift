import Persistence

/// The result of a check, with advice.
package struct Finding: Equatable, Sendable {
  package enum Level: String, Comparable, Sendable {
    case ok, warning, problem
    package static func < (a: Level, b: Level) -> Bool { a.order < b.order }
    private var order: Int { self == .ok ? 0 : self == .warning ? 1 : 2 }
  }

  package let level: Level
  /// A short name of what was checked or of what is wrong.
  package let check: String
  package let message: String
  /// Settings to change, each in the form that `--set` takes.
  package let settings: [String]
  /// Advice in addition to the settings, or instead of them.
  private let note: String?
  /// The advice as text. Settings come first, ready to be copied to a command line.
  package var advice: String? { Finding.advice(settings, note) }

  package init(
    _ level: Level, _ check: String, _ message: String, settings: [String] = [], advice: String? = nil
  ) {
    (self.level, self.check, self.message, self.settings, note) = (level, check, message, settings, advice)
  }

  /// Joins settings and note. The note follows a number sign, so that a shell treats it as a comment.
  static func advice(_ settings: [String], _ note: String?) -> String? {
    let words = [settings.isEmpty ? nil : settings.map { "--set \($0)" }.joined(separator: " "), note]
    let known = words.compactMap { $0 }
    return known.isEmpty ? nil : known.joined(separator: "  # ")
  }

  /// The finding raised to a problem because its warning has come true, with `words` added to the message.
  package func graver(_ words: String) -> Finding {
    Finding(.problem, check, "\(message): \(words)", settings: settings, advice: note)
  }

  package static func ok(_ check: String, _ message: String) -> Finding { Finding(.ok, check, message) }
}

extension Finding {
  /// The finding as JSON entries. Other programs rely on their names.
  package var entries: [(String, JSON)] {
    [
      ("cause", .text(check)), ("severity", .text(level.rawValue)), ("evidence", .text(message)),
      ("remedy", advice.map(JSON.text) ?? .null), ("settings", .array(settings.map(JSON.text))),
    ]
  }

  /// The finding for display, with the advice on a second line.
  package var text: String { "\(check): \(message)" + (advice.map { "\n  fix: \($0)" } ?? "") }
}

extension [Finding] {
  /// The findings in descending order of severity. Equally serious ones keep their order.
  package var gravestFirst: [Finding] {
    enumerated().sorted { ($1.element.level, $0.offset) < ($0.element.level, $1.offset) }.map(\.element)
  }
}
