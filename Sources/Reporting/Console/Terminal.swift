import Foundation

/// The terminal behind standard output.
package enum Terminal {
  /// nil where standard output is none. mpirun gives every rank one, though without columns when its own goes elsewhere.
  package static var size: (columns: Int, rows: Int)? {
    let size = window(of: 1)
    return size.ws_col > 0 ? (Int(size.ws_col), max(10, Int(size.ws_row))) : nil
  }

  /// 80 where nobody knows.
  static func columns(of descriptor: Int32) -> Int {
    let columns = Int(window(of: descriptor).ws_col)
    return columns > 0 ? columns : 80
  }

  private static func window(of descriptor: Int32) -> winsize {
    var size = winsize()
    guard isatty(descriptor) == 1, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 else { return winsize() }
    return size
  }

  /// For text that goes elsewhere; COLUMNS says otherwise.
  package static var assumedSize: (columns: Int, rows: Int) {
    let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) } ?? 100
    return (min(max(columns, 30), 1_000), 40)
  }

  /// https://no-color.org
  package static var wantsColor: Bool {
    let environment = ProcessInfo.processInfo.environment
    return environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
  }
}
