import Foundation

/// Numbers formatted for people.
package enum NumberText {
  /// Returns a number with about four digits, such as 105.8, 19,870 or 0.0123.
  package static func figure(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "–" : value > 0 ? "∞" : "−∞" }
    let size = abs(value)
    switch size {
    case 0: return "0"
    case ..<0.0001, 1e9...: return scientific(value)
    case ..<0.01: return signed(trimmed(String(format: "%.5f", size)), value)
    case ..<1: return signed(String(format: "%.3f", size), value)
    case ..<100: return signed(String(format: "%.2f", size), value)
    case ..<1_000: return signed(String(format: "%.1f", size), value)
    default: return signed(grouped(Int(size.rounded())), value)
    }
  }

  package static func count(_ value: Int) -> String {
    (value < 0 ? "−" : "") + (value == .min ? "\(value.magnitude)" : grouped(abs(value)))
  }

  package static func percent(_ share: Double) -> String {
    share.isFinite ? String(format: share < 0.1 ? "%.1f %%" : "%.0f %%", share * 100) : "–"
  }

  /// Returns a duration such as 41 s, 3 min 20 s or 2 h 5 min.
  package static func time(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "–" }
    if seconds < 10 { return String(format: "%.1f s", seconds) }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3_600 { return "\(whole / 60) min" + (whole % 60 > 0 ? " \(whole % 60) s" : "") }
    return "\(grouped(whole / 3_600)) h" + (whole / 60 % 60 > 0 ? " \(whole / 60 % 60) min" : "")
  }

  /// Returns labels with the same number of decimals and the same unit, such as 0, 20k, 40k.
  static func ticks(_ values: [Double], step: Double) -> [String] {
    let largest = values.map(abs).max() ?? 0
    if largest >= 1e12 || (step > 0 && step < 1e-5) {
      let digits =
        largest > 0 && step > 0 ? (log10(largest) + 1e-9).rounded(.down) - (log10(step) + 1e-9).rounded(.down) : 2
      return values.map { $0 == 0 ? "0" : scientific($0, digits: Int(max(0, min(9, digits)))) }
    }
    let (scale, unit) =
      largest >= 1e9 ? (1e9, "G") : largest >= 1e6 ? (1e6, "M") : largest >= 1e4 ? (1e3, "k") : (1, "")
    let decimals = decimals(of: step / scale)
    return values.map { value in
      let text = String(format: "%.\(decimals)f", abs(value) / scale)
      return value == 0 ? "0" : signed(text + unit, value)
    }
  }

  /// Returns the number of decimals of a step: one for 0.5, two for 0.25.
  private static func decimals(of step: Double) -> Int {
    (0...9).first { count in
      let shifted = step * pow(10, Double(count))
      return abs(shifted - shifted.rounded()) < 1e-6 * shifted
    } ?? 9
  }

  static func scientific(_ value: Double, digits: Int = 2) -> String {
    let parts = String(format: "%.\(digits)e", abs(value)).split(separator: "e")
    guard parts.count == 2, let exponent = Int(parts[1]) else { return "\(value)" }
    return signed(trimmed(String(parts[0])) + "e" + (exponent < 0 ? "−" : "") + "\(abs(exponent))", value)
  }

  private static func signed(_ text: String, _ value: Double) -> String { value < 0 ? "−" + text : text }

  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    let short = text.reversed().drop { $0 == "0" }.drop { $0 == "." }
    return String(short.reversed())
  }

  private static func grouped(_ value: Int) -> String {
    var text = ""
    let digits = Array(String(value))
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return text
  }
}
