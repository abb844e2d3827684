import Glibc
import Kernels

/// Text to the terminal's two streams.
package enum Output {
  /// Progress on standard output; a reader that went away is no reason to stop training.
  package static func say(_ text: String) { _ = write(text, to: 1) }
  /// Messages: standard error.
  package static func complain(_ text: String) { _ = write(text, to: 2) }

  /// What a command was run for, on standard output: lost, the command has failed. A reader that has seen enough
  /// (`| head`) has not lost it.
  package static func result(_ text: String) throws(Failure) {
    let code = write(text, to: 1)
    guard code == 0 || code == EPIPE else {
      throw Failure(
        .inputOutput, "standard output cannot be written: \(String(cString: strerror(code)))",
        hint: "look at where it is redirected to")
    }
  }

  /// 0, or the error that ended it.
  private static func write(_ text: String, to descriptor: Int32) -> Int32 {
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
