import Foundation

/// The terminal of standard output.
package enum Terminal {
  /// The size of the terminal; nil if standard output is none. Under mpirun every rank has a pseudo-terminal, which has
  /// no columns if the output of mpirun is redirected.
  package static var size: (columns: Int, rows: Int)? {
    let size = window(of: 1)
    return size.ws_col > 0 ? (Int(size.ws_col), max(10, Int(size.ws_row))) : nil
  }

  /// Returns the number of columns; 80 if it is unknown.
  static func columns(of descriptor: Int32) -> Int {
    let columns = Int(window(of: descriptor).ws_col)
    return columns > 0 ? columns : 80
  }

  private static func window(of descriptor: Int32) -> winsize {
    var size = winsize()
    guard isatty(descriptor) == 1, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 else { return winsize() }
    return size
  }

  /// The size for text that is not written to a terminal. COLUMNS overrides the number of columns.
  package static var assumedSize: (columns: Int, rows: Int) {
    let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) } ?? 100
    return (min(max(columns, 30), 1_000), 40)
  }

  /// Whether to use colours (https://no-color.org).
  package static var wantsColor: Bool {
    let environment = ProcessInfo.processInfo.environment
    return environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
  }
}
