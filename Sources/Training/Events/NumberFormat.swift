import Foundation

/// Formats a value for display, with three significant digits or as a whole number.
package func figures(_ value: Double) -> String {
  let size = abs(value)
  guard size.isFinite, size != size.rounded() || size >= 1e6 else {
    return size.isFinite ? "\(Int(value))" : "\(value)"
  }
  return String(format: size >= 1_000 && size < 1e6 ? "%.0f" : "%.3g", value)
}
