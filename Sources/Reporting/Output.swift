import Glibc

/// Text to the terminal's two streams; a reader that went away is no reason to stop training.
package enum Output {
  /// Data and progress: standard output.
  package static func say(_ text: String) { write(text, to: 1) }
  /// Messages: standard error.
  package static func complain(_ text: String) { write(text, to: 2) }

  private static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var sent = 0
      while sent < bytes.count {
        let n = Glibc.write(descriptor, bytes.baseAddress! + sent, bytes.count - sent)
        if n > 0 { sent += n } else if errno != EINTR { return }
      }
    }
  }
}
