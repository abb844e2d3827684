import Foundation
import TestSupport
import Testing

/// A running service.
struct Service {
  let child: Child
  let port: Int

  /// - isReady: Whether to wait until the model is loaded.
  init(_ arguments: [String], environment: [String: String] = [:], isReady: Bool = true) throws {
    child = try start(["serve", "--port", "0"] + arguments, environment: environment)
    let child = child
    _ = child.wait { child.output.hasSuffix("\n") }
    let words = child.output.split(separator: ":")
    port = try #require(
      Int(words.last?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""), "\(child.output)\(child.errors)")
    guard isReady else { return }
    let port = port
    try #require(
      child.wait { (try? HTTPConnection(port).ask(request("GET", "/readyz")))?.status == 200 }, "\(child.errors)")
  }

  func ask(_ bytes: [UInt8]) throws -> Reply { try HTTPConnection(port).ask(bytes) }

  func post(_ path: String, _ text: String, type: String = "application/json") throws -> Reply {
    try ask(request("POST", path, Array(text.utf8), type: type))
  }

  /// Whether the service runs and answers.
  func expectWell(sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(try ask(request("GET", "/healthz")).status == 200, sourceLocation: sourceLocation)
  }

  func stop(sourceLocation: SourceLocation = #_sourceLocation) {
    child.send(SIGTERM)
    let outcome = child.wait(limit: 20, sourceLocation: sourceLocation)
    #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
  }
}

extension HTTPConnection {
  func ask(_ bytes: [UInt8]) throws -> Reply {
    send(bytes)
    return try #require(read(), "no answer")
  }
}
