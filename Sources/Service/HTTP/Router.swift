#if Service
import Foundation
import HTTPTypes

/// A request with its complete body.
struct Inquiry: Sendable {
  var head: HTTPRequest
  var body: [UInt8] = []

  var type: String? { head.headerFields[.contentType] }
  /// Whether the client accepts a NumPy array as the response.
  var wantsNPY: Bool {
    let accept = head.headerFields[.accept]?.lowercased() ?? ""
    return accept.contains("application/x-npy") || accept.contains("application/npy")
  }
}

/// Maps requests to handlers and checks access.
struct Router: Sendable {
  struct Route: Sendable {
    let method: HTTPRequest.Method
    let path: String
    /// Whether the route can be used without a token.
    var isOpen = false
    let answer: @Sendable (Inquiry) async throws -> Answer
  }

  let routes: [Route]
  private let configuration: ServiceConfiguration

  init(_ state: ServiceState) {
    configuration = state.configuration
    let rows = RowHandlers(state: state), status = StatusHandlers(state: state)
    routes = [
      Route(method: .post, path: "/score", answer: rows.score),
      Route(method: .post, path: "/encode", answer: rows.encode),
      Route(method: .post, path: "/reconstruct", answer: rows.reconstruct),
      Route(method: .post, path: "/sample", answer: rows.sample),
      Route(method: .get, path: "/healthz", isOpen: true, answer: status.health),
      Route(method: .get, path: "/readyz", isOpen: true, answer: status.readiness),
      Route(method: .get, path: "/metrics", answer: status.metrics),
      Route(method: .get, path: "/status", answer: status.status),
      Route(method: .get, path: "/", isOpen: true, answer: { _ in Page.answer }),
    ]
  }

  /// Finds the route from the head of a request, before the body is read. Throws an `HTTPError` when there is no such
  /// route or access is denied.
  func route(_ head: HTTPRequest) throws -> Route {
    let path = String((head.path ?? "/").prefix { $0 != "?" })
    let found = routes.filter { $0.path == path }
    guard !found.isEmpty else {
      throw HTTPError(404, "\(path.printable): there is no such path", hint: routes.map(\.path).joined(separator: ", "))
    }
    let method = head.method == .head ? .get : head.method
    guard let route = found.first(where: { $0.method == method }) else {
      let allowed = found.map(\.method.rawValue).joined(separator: ", ")
      throw HTTPError(
        405, "\(path.printable) does not accept the method \(head.method.rawValue.printable)", hint: "use \(allowed)",
        allowed: allowed)
    }
    try requireOwnSite(head)
    if let token = configuration.token, !route.isOpen, !token.admits(head.headerFields[.authorization]) {
      throw HTTPError(
        401, "this request needs the token of the service", hint: "send the header Authorization: Bearer TOKEN")
    }
    return route
  }

  /// Rejects requests made by web pages of other sites, opened in a browser on this machine. The check of the host name
  /// stops DNS rebinding, in which a foreign name resolves to this machine, and the check of the origin stops
  /// cross-site requests.
  private func requireOwnSite(_ head: HTTPRequest) throws {
    let authority = head.authority ?? ""
    if configuration.isLoopback, !authority.isEmpty, !Self.isOwn(Self.host(authority)) {
      throw HTTPError(
        403, "\(authority.printable) is not a name of this machine",
        hint: "use http://127.0.0.1:PORT; a proxy in front of the service should set Host to that")
    }
    if let origin = head.headerFields[.origin], origin != "http://" + authority, origin != "https://" + authority {
      throw HTTPError(403, "requests from pages of \(origin.printable) are not answered")
    }
  }

  static func host(_ authority: String) -> String {
    if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
    return String(authority.prefix { $0 != ":" }).lowercased()
  }

  /// Whether the host is a literal IP address or a localhost name. Unlike other names, these cannot be made to resolve
  /// to another machine.
  static func isOwn(_ host: String) -> Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return host == "localhost" || host.hasSuffix(".localhost") || host.contains(":")
      || parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
  }

  /// The path as a metrics label: the path of a known route, or "other".
  func label(_ head: HTTPRequest) -> String {
    let path = (head.path ?? "/").prefix { $0 != "?" }
    return routes.first { $0.path == path }?.path ?? "other"
  }
}
#endif
