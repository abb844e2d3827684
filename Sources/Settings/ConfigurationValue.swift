import Foundation
import Kernels

/// A type of configuration values. Values are read from YAML scalars, and are written so that any YAML parser reads
/// them correctly.
package protocol ConfigurationValue: Equatable, Sendable, SendableMetatype {
  /// Describes the expected value, for messages.
  static var expectation: String { get }
  /// All valid values, if the type has a fixed list of them.
  static var choices: [String] { get }
  init?(configurationText: String)
  var configurationText: String { get }
}

extension ConfigurationValue {
  package static var choices: [String] { [] }
}

extension Int: ConfigurationValue {
  package static var expectation: String { "a whole number" }
  package init?(configurationText text: String) { self.init(text) }
  package var configurationText: String { description }
}

extension Double: ConfigurationValue {
  package static var expectation: String { "a number" }
  package init?(configurationText text: String) {
    guard let value = Double(text), value.isFinite, text.allSatisfy({ $0.isNumber || "+-.eE".contains($0) }) else {
      return nil
    }
    self = value
  }
  package var configurationText: String { "\(self, .decimal)" }
}

extension Bool: ConfigurationValue {
  package static var expectation: String { "true or false" }
  package init?(configurationText text: String) { self.init(text) }
  package var configurationText: String { description }
}

extension String: ConfigurationValue {
  package static var expectation: String { "a text" }
  package init?(configurationText text: String) { self = text }
  package var configurationText: String {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"]
    let isPlain = unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || "0123456789/._-+@".unicodeScalars.contains($0)
    }
    // A leading digit or sign could make a parser read a number or a date, and other characters are YAML indicators.
    let beginsPlain = first.map { $0.isLetter || $0 == "/" || $0 == "." || $0 == "_" } ?? false
    if isPlain, beginsPlain, Double(self) == nil, !words.contains(lowercased()) { return self }
    let escaped = unicodeScalars.map { scalar in
      switch scalar {
      case "\"": "\\\""
      case "\\": "\\\\"
      // YAML does not allow control characters, and reads some others as line breaks.
      case _ where scalar.isInvisible: "\\U" + hexadecimal(scalar.value)
      default: String(scalar)
      }
    }
    return "\"" + escaped.joined() + "\""
  }
}

private func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 8 - digits.count) + digits
}

/// A type of list elements.
package protocol ConfigurationListElement: ConfigurationValue {
  static var listExpectation: String { get }
}

extension Int: ConfigurationListElement {
  package static var listExpectation: String { "a list of whole numbers, such as [400, 200]" }
}

extension String: ConfigurationListElement {
  package static var listExpectation: String { "a list of words, such as [id, \"last name\"]" }
}

extension Array: ConfigurationValue where Element: ConfigurationListElement {
  package static var expectation: String { Element.listExpectation }
  package init?(configurationText text: String) {
    var inner = text.trimmingCharacters(in: .whitespaces)
    if inner.hasPrefix("["), inner.hasSuffix("]") { inner = String(inner.dropFirst().dropLast()) }
    guard let words = listed(inner) else { return nil }
    self = []
    for word in words {
      guard let value = Element(configurationText: word) else { return nil }
      append(value)
    }
  }
  package var configurationText: String { "[" + map(\.configurationText).joined(separator: ", ") + "]" }
}

/// Splits a list at commas. An element may be quoted in the way in which `String` is written.
private func listed(_ text: String) -> [String]? {
  if text.allSatisfy(\.isWhitespace) { return [] }
  var words: [String] = [], word = "", rest = text[...]
  var isQuoted = false, isClosed = false
  func finish() -> Bool {
    let plain = isClosed ? word : word.trimmingCharacters(in: .whitespaces)
    guard isClosed || !plain.isEmpty else { return false }
    words.append(plain)
    (word, isClosed) = ("", false)
    return true
  }
  while let character = rest.popFirst() {
    switch character {
    case "\\" where isQuoted:
      guard let scalar = escaped(&rest) else { return nil }
      word.unicodeScalars.append(scalar)
    case "\"" where isQuoted: (isQuoted, isClosed) = (false, true)
    case "\"" where !isClosed && word.allSatisfy(\.isWhitespace): (word, isQuoted) = ("", true)
    case "," where !isQuoted: guard finish() else { return nil }
    case _ where isClosed: guard character.isWhitespace else { return nil }
    default: word.append(character)
    }
  }
  return !isQuoted && finish() ? words : nil
}

/// Reads the character after a backslash: U and eight hexadecimal digits, or the character itself.
private func escaped(_ rest: inout Substring) -> Unicode.Scalar? {
  guard let first = rest.unicodeScalars.popFirst() else { return nil }
  guard first == "U" else { return first }
  let digits = rest.prefix(8)
  rest = rest.dropFirst(8)
  return digits.count == 8 ? UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init) : nil
}

extension ConfigurationValue where Self: RawRepresentable & CaseIterable, RawValue == String {
  package static var choices: [String] { allCases.map(\.rawValue) }
  package static var expectation: String { "one of " + choices.joined(separator: ", ") }
  package init?(configurationText text: String) { self.init(rawValue: text) }
  package var configurationText: String { rawValue }
}
