import Glibc
import Kernels
import Synchronization

/// Writes text to standard output and standard error.
package enum Output {
  /// Writes progress to standard output. Errors are ignored, because a closed pipe is no reason to stop training.
  package static func say(_ text: String) { _ = write(text, to: 1) }
  /// Writes a message to standard error.
  package static func complain(_ text: String) { _ = write(text, to: 2) }

  /// The stream for a line that is rewritten: standard output if that is a terminal, otherwise standard error if that
  /// is one.
  private static let screen: Int32? = Terminal.size != nil ? 1 : isatty(2) == 1 ? 2 : nil
  private static let isLineShown = Atomic<Bool>(false)
  static var hasTerminal: Bool { screen != nil }

  /// Shows a line that the next text replaces.
  static func showLine(_ text: String) {
    guard let screen else { return }
    let columns = Terminal.columns(of: screen)
    isLineShown.store(true, ordering: .relaxed)
    _ = put("\r" + text.prefix(max(10, columns - 1)) + "\u{1b}[K", to: screen)
  }

  static func clearLine() {
    guard let screen, isLineShown.exchange(false, ordering: .relaxed) else { return }
    _ = put("\r\u{1b}[K", to: screen)
  }

  /// Writes the result of a command to standard output. Throws if it cannot be written, unless the reader has closed
  /// the pipe (`| head`).
  package static func result(_ text: String) throws(Failure) {
    let code = write(text, to: 1)
    guard code == 0 || code == EPIPE else {
      throw Failure(
        .inputOutput, "standard output cannot be written: \(String(cString: strerror(code)))",
        hint: "check where standard output is redirected to")
    }
  }

  /// Returns 0 or the errno value of the error.
  private static func write(_ text: String, to descriptor: Int32) -> Int32 {
    clearLine()
    return put(text, to: descriptor)
  }

  private static func put(_ text: String, to descriptor: Int32) -> Int32 {
    var text = text
    return text.withUTF8 { bytes in
      var sent = 0
      while sent < bytes.count {
        let n = Glibc.write(descriptor, bytes.baseAddress! + sent, bytes.count - sent)
        if n > 0 { sent += n } else if errno != EINTR { return errno }
      }
      return 0
    }
  }
}
