#if Service
import RunConfiguration
import Dispatch
import HTTPTypes
import HummingbirdCore
import Kernels
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Hummingbird's HTTP server, which passes requests to the router.
final class HTTPServer: Sendable {
  /// The port that the server listens on.
  let port: Int
  private let server: Server<HTTP1Channel>
  private let ended: DispatchSemaphore

  /// Starts the server. It is listening when this initializer returns.
  init(_ state: ServiceState) throws(Failure) {
    let configuration = state.configuration, router = Router(state)
    var logger = Logger(label: "vae-dist serve")
    logger.logLevel = .error
    let begun = DispatchSemaphore(value: 0), ended = DispatchSemaphore(value: 0)
    let bound = Mutex<Result<Int, Failure>?>(nil)
    let channel = HTTP1Channel(
      responder: { request, writer, _ in try await Self.respond(request, writer, router, state) },
      configuration: HTTP1Channel.Configuration(
        additionalChannelHandlers: [ConnectionDeadlines(configuration)],
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100)))
    let server = Server(
      childChannelSetup: channel,
      configuration: ServerConfiguration(
        address: .hostname(configuration.host, port: configuration.port), backlog: 1024,
        availableConnectionsDelegate: .maximum(configuration.connections, logger: logger)),
      onServerRunning: { channel in
        bound.withLock { $0 = .success(channel.localAddress?.port ?? configuration.port) }
        begun.signal()
      },
      eventLoopGroup: MultiThreadedEventLoopGroup(numberOfThreads: 1), logger: logger)
    Task.detached {
      do { try await server.run() } catch {
        bound.withLock { $0 = .failure(Self.failure(error, configuration)) }
        begun.signal()
      }
      ended.signal()
    }
    begun.wait()
    port = try bound.withLock { $0 }?.get() ?? configuration.port
    (self.server, self.ended) = (server, ended)
  }

  private static func failure(_ error: any Error, _ configuration: ServiceConfiguration) -> Failure {
    let reason = (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
    return Failure(
      .cannotCreate, "cannot listen on \(configuration.host.printable), port \(configuration.port): \(reason)",
      hint: "choose another --port (0: one that is free), or a --host of this machine")
  }

  /// Stops accepting requests. Returns when all received requests are answered, or after `limit` seconds.
  func stop(limit: Double) {
    Task.detached { [server] in try? await server.shutdownGracefully() }
    _ = ended.wait(timeout: .now() + limit)
  }

  // MARK: Handling a request

  private static func respond(
    _ request: Request, _ writer: consuming ResponseWriter, _ router: Router, _ state: ServiceState
  ) async throws {
    let began = ContinuousClock.now
    var answer: Answer
    // Only bytes that have arrived are counted. An announced length does not take room from other requests.
    var held = 0
    defer { state.release(held) }
    func hold(_ bytes: Int) throws {
      try state.reserve(bytes)
      held += bytes
    }
    do {
      let route = try router.route(request.head), limit = state.configuration.mostBytes
      let hasBody = try hasBody(request, limit: limit)
      if hasBody, request.headers[.expect]?.lowercased() == "100-continue" {
        try await writer.writeInformationalHead(HTTPResponse(status: .continue))
      }
      var body: [UInt8] = []
      if hasBody {
        for try await part in request.body {
          guard body.count + part.readableBytes <= limit else { throw tooLarge(limit) }
          try hold(part.readableBytes)
          body += part.readableBytesView
        }
      }
      answer = try await route.answer(Inquiry(head: request.head, body: body))
      try hold(answer.body.readableBytes)
    } catch let refusal as HTTPError {
      answer = Answer(refusal)
    }
    let seconds = (ContinuousClock.now - began) / .seconds(1)
    state.metrics.answered(router.label(request.head), status: answer.status.code, seconds: seconds)
    let head = answer.head
    if request.method == .head { answer.body.clear() }
    try await writer.write(response: head, body: ResponseBody(byteBuffer: answer.body))
  }

  /// Whether the request has a body. Throws when its Content-Length header is above the limit.
  private static func hasBody(_ request: Request, limit: Int) throws -> Bool {
    guard let length = request.headers[.contentLength].flatMap({ Int($0) }) else {
      return request.headers[.transferEncoding] != nil
    }
    guard length <= limit else { throw tooLarge(limit) }
    return length > 0
  }

  private static func tooLarge(_ limit: Int) -> HTTPError {
    HTTPError(
      413, "the request has more than \(limit) bytes",
      hint: "send its rows in parts, or score the file: vae-dist score RUN FILE")
  }
}
#endif
