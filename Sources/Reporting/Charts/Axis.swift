import Foundation
import Settings

/// A range of numbers with ticks at round values.
package struct Axis: Sendable {
  package enum Kind: Sendable { case linear, integer, logarithmic }
  package struct Tick: Sendable, Equatable {
    package var value: Double
    package var label: String
  }

  package let low: Double
  package let high: Double
  package let ticks: [Tick]
  private let isLogarithmic: Bool
  /// The range of values that can be drawn.
  static let drawable = -1e100...1e100

  /// Creates an axis for finite values from `low` to `high`. A logarithmic axis becomes linear if the values are not
  /// positive or span less than a power of ten.
  ///
  /// - isLoose: whether the range is extended so that it ends at ticks.
  package init(_ low: Double, _ high: Double, kind: Kind = .linear, most: Int = 5, isLoose: Bool = true) {
    var (low, high) = (min(low, high), max(low, high))
    precondition(Axis.drawable.contains(low) && Axis.drawable.contains(high), "Axis: \(low)...\(high)")
    isLogarithmic = kind == .logarithmic && low > 0 && high >= 10 * low
    if isLogarithmic {
      (self.low, self.high, ticks) = Axis.logarithmic(low, high, most: most)
      return
    }
    // Values that differ by rounding only are treated as equal.
    if high - low <= max(abs(low), abs(high)) * 1e-9 {
      let room = kind == .integer ? 1 : max(abs(high) * 0.05, high == 0 ? 1 : 1e-99)
      (low, high) = (low - room, high + room)
    }
    if kind == .integer, isLoose { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    let step = Axis.step(high - low, most: most, isInteger: kind == .integer)
    if isLoose {
      low = (low / step + 1e-9).rounded(.down) * step
      high = (high / step - 1e-9).rounded(.up) * step
    }
    let places = Axis.multiples(of: step, low, high, most: 2 * most + 2)
    ticks = zip(places, Axis.labels(places, step: step)).map(Tick.init)
    (self.low, self.high) = (low, high)
  }

  /// Returns 1, 2 or 5 times a power of ten, so that `length` has at most `most` steps of this size.
  static func step(_ length: Double, most: Int, isInteger: Bool = false) -> Double {
    let raw = length / Double(max(1, most)), power = pow(10, log10(raw).rounded(.down))
    let factors: [Double] = [1, 2, 5]
    let factor = factors.first { $0 * power >= raw * (1 - 1e-9) } ?? 10
    let step = factor * power
    return isInteger ? max(1, step) : step
  }

  private static func multiples(of step: Double, _ low: Double, _ high: Double, most: Int) -> [Double] {
    let first = (low / step - 1e-9).rounded(.up)
    return (0...most).compactMap { index in
      let place = (first + Double(index)) * step
      guard place <= high + step * 1e-9 else { return nil }
      return abs(place) < step * 1e-9 ? 0 : place
    }
  }

  private static func logarithmic(_ low: Double, _ high: Double, most: Int) -> (Double, Double, [Tick]) {
    let bottom = log10(low).rounded(.down), top = max(bottom + 1, (log10(high) - 1e-9).rounded(.up))
    let decades = top - bottom
    if decades <= 2 {
      let factors: [Double] = [1, 2, 5]
      let places = stride(from: bottom, through: top, by: 1).flatMap { power in factors.map { $0 * pow(10, power) } }
      let from = places.last { $0 <= low * (1 + 1e-9) } ?? pow(10, bottom)
      let to = places.first { $0 >= high * (1 - 1e-9) && $0 > from } ?? pow(10, top)
      return (from, to, places.filter { $0 >= from && $0 <= to }.map { Tick(value: $0, label: label($0)) })
    }
    let step = max(1, (decades / Double(max(1, most))).rounded(.up))
    let places = stride(from: bottom, through: top, by: step).map { pow(10, $0) }
    return (pow(10, bottom), pow(10, top), places.map { Tick(value: $0, label: label($0)) })
  }

  private static func label(_ value: Double) -> String {
    value < 0.000999 || value > 9.99e5
      ? "\(value, .power(2))" : labels([value], step: value < 1 ? value : 1)[0]
  }

  /// Returns labels with the same number of decimals and the same unit, such as 0, 20k, 40k.
  private static func labels(_ values: [Double], step: Double) -> [String] {
    let largest = values.map(abs).max() ?? 0
    if largest >= 1e12 || (step > 0 && step < 1e-5) {
      let digits =
        largest > 0 && step > 0 ? (log10(largest) + 1e-9).rounded(.down) - (log10(step) + 1e-9).rounded(.down) : 2
      return values.map { $0 == 0 ? "0" : "\($0, .power(Int(max(0, min(9, digits)))))" }
    }
    let (scale, unit) =
      largest >= 1e9 ? (1e9, "G") : largest >= 1e6 ? (1e6, "M") : largest >= 1e4 ? (1e3, "k") : (1, "")
    let decimals = decimals(of: step / scale)
    return values.map { value in
      value == 0 ? "0" : (value < 0 ? "−" : "") + "\(abs(value) / scale, .fixed(decimals))\(unit)"
    }
  }

  /// Returns the number of decimals of a step: one for 0.5, two for 0.25.
  private static func decimals(of step: Double) -> Int {
    (0...9).first { count in
      let shifted = step * pow(10, Double(count))
      return abs(shifted - shifted.rounded()) < 1e-6 * shifted
    } ?? 9
  }

  /// Returns the position of a value: 0 at the low end, 1 at the high end, and outside 0...1 beyond them.
  package func position(_ value: Double) -> Double {
    guard isLogarithmic else { return (value - low) / (high - low) }
    return value > 0 ? log10(value / low) / log10(high / low) : -1
  }
}
