#if Service
import Kernels

/// Where the service listens, whom it answers, and what it bears.
package struct ServiceConfiguration: Sendable {
  package var host = "127.0.0.1"
  /// 0: one that is free.
  package var port = 8080
  /// What a request must bring; nil: nothing.
  package var token: BearerToken?

  /// Rows of one request.
  package var mostRows = 4096
  /// Bytes of one request.
  package var mostBytes = 8 << 20
  /// Seconds that a request may take to arrive: first its head, then its body.
  package var patience = 10.0

  /// Rows that may wait for their turn.
  var queuedRows: Int { 4 * mostRows }
  /// Bytes of requests that are being read and answered.
  var bytesAtWork: Int { 16 * mostBytes }
  /// More wait until others have gone.
  let connections = 512
  /// Seconds that a connection may be silent between two requests, and that an answer may take to be fetched.
  let idleLimit = 60.0
  /// Seconds that a request which was refused may still take to arrive, before the connection is cut.
  let lingering = 2.0
  /// The newest rows, which drift is judged by.
  package var window = 4096

  package init() {}

  /// Whether only this machine can reach it.
  package var isLoopback: Bool { Self.isLoopback(host) }

  static func isLoopback(_ host: String) -> Bool {
    host == "localhost" || host == "::1" || host.hasPrefix("127.") && host.split(separator: ".").count == 4
  }

  /// Beyond this machine nobody is answered by mistake. - isOpen: the user wants it so.
  package func requireGuard(isOpen: Bool) throws(Failure) {
    guard !isLoopback, token == nil, !isOpen else { return }
    throw Failure(
      .usage, "--host \(host): anybody who reaches this address could use the model",
      hint: "name a file with a token (--token-file FILE), or say --no-token")
  }
}
#endif
