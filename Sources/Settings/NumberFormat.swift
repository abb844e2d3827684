import Foundation

/// A way of writing a number as text. It is named in an interpolation: `"\(rate, .figures)"`.
package struct NumberFormat: Sendable {
  fileprivate let text: @Sendable (Double) -> String
}

extension DefaultStringInterpolation {
  package mutating func appendInterpolation(_ value: Double, _ format: NumberFormat) {
    appendLiteral(format.text(value))
  }

  package mutating func appendInterpolation(_ value: some BinaryInteger, _ format: NumberFormat) {
    appendLiteral(format.text(Double(value)))
  }
}

// MARK: For messages and the terminal

extension NumberFormat {
  /// A whole number, or three significant digits: 12, 0.0123, 4570.
  package static let figures = NumberFormat { value in
    let size = abs(value)
    guard size.isFinite, size != size.rounded() || size >= 1e6 else {
      return size.isFinite ? "\(Int(value))" : "\(value)"
    }
    return String(format: size >= 1_000 && size < 1e6 ? "%.0f" : "%.3g", value)
  }

  /// All digits without an exponent, such as 0.00001 and not 1e-05, because YAML 1.1 parsers read the latter as text.
  package static let decimal = NumberFormat { value in
    let parts = "\(value)".split(separator: "e")
    guard parts.count == 2, let exponent = Int(parts[1]) else { return "\(value)" }
    let mantissa = parts[0].drop { $0 == "-" }.split(separator: "."), digits = mantissa.joined()
    let sign = value < 0 ? "-" : "", point = mantissa[0].count + exponent
    if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
    if point < digits.count { return sign + digits.prefix(point) + "." + digits.dropFirst(point) }
    return sign + digits + String(repeating: "0", count: point - digits.count) + ".0"
  }

  /// This many digits after the point: 12.50.
  package static func fixed(_ decimals: Int) -> NumberFormat {
    NumberFormat { $0.isFinite ? String(format: "%.\(decimals)f", $0) : "\($0)" }
  }

  /// Up to this many significant digits: 12.5.
  package static func significant(_ digits: Int) -> NumberFormat {
    NumberFormat { String(format: "%.\(digits)g", $0 == 0 ? 0 : $0) }
  }

  /// One digit before the point and this many after it: 1.3e-04.
  package static func scientific(_ decimals: Int) -> NumberFormat {
    NumberFormat { String(format: "%.\(decimals)e", $0) }
  }

  /// Thousands and millions as letters: 940, 12.4k, 3.1M.
  package static let short = NumberFormat { value in
    value >= 1e6 ? "\(value / 1e6, .fixed(1))M" : value >= 1e3 ? "\(value / 1e3, .fixed(1))k" : "\(value, .fixed(0))"
  }

  /// Seconds as h:mm:ss.
  package static let clock = NumberFormat { seconds in
    guard seconds.isFinite, seconds >= 0, seconds < 1e8 else { return "-:--:--" }
    let whole = Int(seconds.rounded())
    return String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
  }

  /// Seconds in the largest unit that gives more than one: 12 s, 3 min, 5 h, 2 d.
  package static let age = NumberFormat { seconds in
    guard seconds.isFinite, seconds >= 0 else { return "0 s" }
    for (unit, length, limit) in [("s", 1.0, 120.0), ("min", 60, 7_200), ("h", 3_600, 172_800)] where seconds < limit {
      return "\(Int(seconds / length)) \(unit)"
    }
    return "\(Int(min(seconds / 86_400, 1e6))) d"
  }

  /// Bytes with two or more digits: 512 B, 2.5 MiB, 12 GiB.
  package static let bytes = NumberFormat { value in
    var value = value, units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][...]
    while value >= 1024, units.count > 1 {
      value /= 1024
      units = units.dropFirst()
    }
    return String(format: value < 10 && units.first != "B" ? "%.1f" : "%.0f", value) + " " + (units.first ?? "")
  }

  /// Bytes of memory in MiB or GiB, to a tenth.
  package static let memory = NumberFormat { bytes in
    let (value, unit) = bytes < 0x1p30 ? (bytes / 0x1p20, "MiB") : (bytes / 0x1p30, "GiB")
    return "\((value * 10).rounded() / 10) \(unit)"
  }
}

// MARK: For pages

/// These formats use typographic characters: a minus sign, and a dash for what is not a number.
extension NumberFormat {
  /// About four digits: 105.8, 19,870, 0.0123.
  package static let typeset = NumberFormat { value in
    guard value.isFinite else { return value.isNaN ? "–" : value > 0 ? "∞" : "−∞" }
    let size = abs(value)
    switch size {
    case 0: return "0"
    case ..<0.0001, 1e9...: return "\(value, .power(2))"
    case ..<0.01: return signed(trimmed("\(size, .fixed(5))"), value)
    case ..<1: return signed("\(size, .fixed(3))", value)
    case ..<100: return signed("\(size, .fixed(2))", value)
    case ..<1_000: return signed("\(size, .fixed(1))", value)
    default: return signed(Int(size.rounded()).grouped, value)
    }
  }

  /// A mantissa of up to this many decimals and an exponent: 1.5e−7.
  package static func power(_ decimals: Int) -> NumberFormat {
    NumberFormat { value in
      let parts = "\(abs(value), .scientific(decimals))".split(separator: "e")
      guard parts.count == 2, let exponent = Int(parts[1]) else { return "\(value)" }
      return signed(trimmed(String(parts[0])) + "e" + (exponent < 0 ? "−" : "") + "\(abs(exponent))", value)
    }
  }

  /// A share as percent: 4.2 %, 37 %.
  package static let percent = NumberFormat { share in
    share.isFinite ? String(format: share < 0.1 ? "%.1f %%" : "%.0f %%", share * 100) : "–"
  }

  /// Seconds as a duration: 41 s, 3 min 20 s, 2 h 5 min.
  package static let duration = NumberFormat { seconds in
    guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "–" }
    if seconds < 10 { return "\(seconds, .fixed(1)) s" }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3_600 { return "\(whole / 60) min" + (whole % 60 > 0 ? " \(whole % 60) s" : "") }
    return "\((whole / 3_600).grouped) h" + (whole / 60 % 60 > 0 ? " \(whole / 60 % 60) min" : "")
  }

  private static func signed(_ text: String, _ value: Double) -> String { value < 0 ? "−" + text : text }

  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    let short = text.reversed().drop { $0 == "0" }.drop { $0 == "." }
    return String(short.reversed())
  }
}

extension Int {
  /// The number with a comma between groups of three digits: 19,870.
  package var grouped: String {
    let digits = String(magnitude)
    let groups = digits.enumerated().map { place, digit in
      (place > 0 && (digits.count - place) % 3 == 0 ? "," : "") + String(digit)
    }
    return (self < 0 ? "−" : "") + groups.joined()
  }
}
