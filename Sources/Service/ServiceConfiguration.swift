#if Service
import Kernels

/// The service's address, access control and limits.
package struct ServiceConfiguration: Sendable {
  package var host = "127.0.0.1"
  /// Port to listen on; 0 chooses a free port.
  package var port = 8080
  /// The token that requests must carry, or nil when none is required.
  package var token: BearerToken?

  /// Maximum number of rows in one request.
  package var mostRows = 4096
  /// Maximum number of bytes in the body of one request.
  package var mostBytes = 8 << 20
  /// Time limit in seconds for a request to arrive. It applies to the head, and then again to the body.
  package var patience = 10.0

  /// Maximum number of rows that wait to be processed, over all requests.
  var queuedRows: Int { 4 * mostRows }
  /// Maximum number of bytes held for requests that are being read or answered.
  var bytesAtWork: Int { 16 * mostBytes }
  /// Maximum number of open connections. Further connections wait until one of these closes.
  let connections = 512
  /// Time limit in seconds for an idle connection between two requests, and for a client to read its response.
  let idleLimit = 60.0
  /// Seconds that a rejected request may continue to arrive before the connection is closed.
  let lingering = 2.0
  /// Number of the most recent rows that drift is measured on.
  package var window = 4096

  package init() {}

  /// Whether the service is reachable only from this machine.
  package var isLoopback: Bool { Self.isLoopback(host) }

  static func isLoopback(_ host: String) -> Bool {
    host == "localhost" || host == "::1" || host.hasPrefix("127.") && host.split(separator: ".").count == 4
  }

  /// Throws unless the service listens only on this machine, requires a token, or was explicitly opened to everyone.
  /// - isOpen: Whether the user chose to serve without a token.
  package func requireGuard(isOpen: Bool) throws(Failure) {
    guard !isLoopback, token == nil, !isOpen else { return }
    throw Failure(
      .usage, "--host \(host): anybody who can reach this address could use the model",
      hint: "name a file with a token (--token-file FILE), or give --no-token")
  }
}
#endif
