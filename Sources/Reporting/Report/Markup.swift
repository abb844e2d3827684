import Foundation

/// XML text that is safe from injection: literals are markup, and interpolated values are escaped unless they are
/// markup themselves. For example, `"<p>\(name)</p>"` is safe for any name.
package struct Markup: ExpressibleByStringInterpolation, Sendable {
  package private(set) var text: String

  package init(stringLiteral value: String) { text = value }
  package init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }
  private init(trusted text: String) { self.text = text }

  package struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    package init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(2 * literalCapacity) }
    package mutating func appendLiteral(_ literal: String) { text += literal }
    package mutating func appendInterpolation(_ markup: Markup) { text += markup.text }
    package mutating func appendInterpolation(_ parts: [Markup]) { for part in parts { text += part.text } }
    package mutating func appendInterpolation(_ string: String) { text += Markup.escaped(string) }
    package mutating func appendInterpolation(_ number: Int) { text += String(number) }
    /// Appends a coordinate.
    package mutating func appendInterpolation(at number: Double) { text += Markup.coordinate(number) }
  }

  package static func += (markup: inout Markup, more: Markup) { markup.text += more.text }
  package static func + (first: Markup, second: Markup) -> Markup { Markup(trusted: first.text + second.text) }

  /// Escapes a string for use in text and in quoted attributes. Characters that XML 1.0 does not allow are replaced.
  package static func escaped(_ string: String) -> String {
    var text = ""
    text.reserveCapacity(string.utf8.count)
    for scalar in string.unicodeScalars {
      switch scalar {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      case "'": text += "&#39;"
      case "\t", "\n", "\r": text.unicodeScalars.append(scalar)
      // Control characters, noncharacters, and characters that change the direction of the text after them.
      case _ where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value): text += "\u{fffd}"
      case "\u{202a}"..."\u{202e}", "\u{2066}"..."\u{2069}", "\u{fffe}", "\u{ffff}": text += "\u{fffd}"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  /// Formats a coordinate with at most two decimals. Coordinates far outside a chart are clamped.
  static func coordinate(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let hundredths = Int((max(-1e6, min(1e6, value)) * 100).rounded())
    let (whole, part) = (abs(hundredths) / 100, abs(hundredths) % 100)
    let sign = hundredths < 0 ? "-" : ""
    if part == 0 { return "\(sign)\(whole)" }
    return part % 10 == 0 ? "\(sign)\(whole).\(part / 10)" : "\(sign)\(whole).\(part < 10 ? "0" : "")\(part)"
  }

  package static func base64(_ bytes: [UInt8]) -> Markup { Markup(trusted: Data(bytes).base64EncodedString()) }
}
