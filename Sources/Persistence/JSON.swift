/// A JSON value to be written, with keys in the given order. JSON is read with Foundation's JSONDecoder.
package enum JSON: Sendable {
  case number(Double)
  case integer(Int)
  case text(String)
  case flag(Bool)
  case array([JSON])
  case object([(String, JSON)])
  case null

  package static func optional(_ value: Double?) -> JSON { value.map(JSON.number) ?? .null }

  package static func numbers(_ values: some Sequence<Double>) -> JSON { .array(values.map(JSON.number)) }

  /// The value as one line of text. Numbers that are not finite become null, because JSON cannot represent them.
  package var text: String {
    var out = ""
    write(to: &out)
    return out
  }

  private func write(to out: inout String) {
    switch self {
    case .number(let value): out += value.isFinite ? JSON.shortest(value) : "null"
    case .integer(let value): out += String(value)
    case .text(let value): JSON.quote(value, to: &out)
    case .flag(let value): out += value ? "true" : "false"
    case .null: out += "null"
    case .array(let values):
      out += "["
      for (i, value) in values.enumerated() {
        if i > 0 { out += ", " }
        value.write(to: &out)
      }
      out += "]"
    case .object(let pairs):
      out += "{"
      for (i, pair) in pairs.enumerated() {
        if i > 0 { out += ", " }
        JSON.quote(pair.0, to: &out)
        out += ": "
        pair.1.write(to: &out)
      }
      out += "}"
    }
  }

  /// Returns the shortest text that parses to the same Double.
  private static func shortest(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) + ".0" : "\(value)"
  }

  private static func quote(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}
