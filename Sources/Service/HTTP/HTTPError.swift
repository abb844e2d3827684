#if Service
import Kernels
import Persistence

/// The reason why a request is rejected, worded for the client.
struct HTTPError: Error, Equatable {
  let status: Int
  let message: String
  var hint: String?
  /// Seconds after which the client should try again.
  var retryAfter: Int?
  /// Methods that the path supports.
  var allowed: String?

  init(_ status: Int, _ message: String, hint: String? = nil, retryAfter: Int? = nil, allowed: String? = nil) {
    (self.status, self.message, self.hint) = (status, message, hint)
    (self.retryAfter, self.allowed) = (retryAfter, allowed)
  }

  /// Converts an error from reading the data: status 400 when the request is at fault, and 500 otherwise.
  init(_ failure: Failure) {
    let isTheirs = [Failure.Status.badData, .usage, .badConfiguration, .missingInput].contains(failure.status)
    self.init(isTheirs ? 400 : 500, failure.message, hint: failure.hint)
  }

  static func busy(_ message: String) -> HTTPError { HTTPError(503, message, hint: "try again later", retryAfter: 1) }

  var json: JSON {
    .object([("error", .text(message)), ("hint", hint.map(JSON.text) ?? .null)])
  }
}
#endif
