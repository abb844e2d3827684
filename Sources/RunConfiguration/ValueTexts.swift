import Communication
import Data
import Kernels
import Settings
import VAE

extension Configuration.Duration: ConfigurationValue {
  package static var expectation: String { "a time such as 3h50m, 90s, 2d or none" }
  package init?(configurationText text: String) {
    if text == "none" {
      self = .none
      return
    }
    let factors: [Character: Double] = ["d": 86_400, "h": 3_600, "m": 60, "s": 1]
    var total = 0.0, digits = ""
    for character in text {
      if let factor = factors[character] {
        guard let value = Self.number(digits) else { return nil }
        total += value * factor
        digits = ""
      } else {
        digits.append(character)
      }
    }
    if !digits.isEmpty {  // a bare number is seconds
      guard total == 0, let value = Self.number(digits) else { return nil }
      total = value
    }
    guard total.isFinite, total > 0, total < 1e10 else { return nil }
    seconds = total
  }
  /// Reads digits and a decimal point only. `Double` alone would also accept hexadecimal numbers, exponents and
  /// infinity.
  private static func number(_ text: String) -> Double? {
    text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") } ? Double(text) : nil
  }

  package var configurationText: String {
    if seconds == 0 { return "none" }
    var rest = seconds, text = ""
    for (name, factor) in [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0)] where rest >= factor {
      let whole = (rest / factor).rounded(.down)
      text += "\(Int(whole))\(name)"
      rest -= whole * factor
    }
    return rest > 0 ? text + "\(rest, .decimal)s" : text
  }
}

extension Prefetch: ConfigurationValue {
  /// The value is quoted because YAML 1.1 parsers would read `on` and `off` as truth values.
  package var configurationText: String { self == .auto ? rawValue : "\"\(rawValue)\"" }
}

extension Watchdog.Limit: ConfigurationValue {
  package static var expectation: String { "auto, none, or a time such as 5m" }
  package init?(configurationText text: String) {
    if text == "auto" {
      self = .auto
    } else {
      guard let duration = Configuration.Duration(configurationText: text) else { return nil }
      self = duration == .none ? .none : .seconds(duration.seconds)
    }
  }
  package var configurationText: String {
    switch self {
    case .auto: "auto"
    case .none: "none"
    case .seconds(let seconds): Configuration.Duration(seconds: seconds).configurationText
    }
  }
}
