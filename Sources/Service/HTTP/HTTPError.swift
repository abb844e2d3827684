#if Service
import Kernels
import Persistence

/// Why a request is not answered as it wished, in words for who sent it.
struct HTTPError: Error, Equatable {
  let status: Int
  let message: String
  var hint: String?
  /// Seconds after which another try is worth it.
  var retryAfter: Int?
  /// Methods that a path has.
  var allowed: String?

  init(_ status: Int, _ message: String, hint: String? = nil, retryAfter: Int? = nil, allowed: String? = nil) {
    (self.status, self.message, self.hint) = (status, message, hint)
    (self.retryAfter, self.allowed) = (retryAfter, allowed)
  }

  /// What a reader of data found wrong.
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
