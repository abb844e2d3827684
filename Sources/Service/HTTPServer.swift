import Dispatch
import HTTPTypes
import HummingbirdCore
import Kernels
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Hummingbird's server with the router behind it.
final class HTTPServer: Sendable {
  /// Where it listens.
  let port: Int
  private let server: Server<HTTP1Channel>
  private let ended: DispatchSemaphore

  /// Listens when it returns.
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

  /// Takes no more requests, and returns when those that came have been answered, or after so many seconds.
  func stop(limit: Double) {
    Task.detached { [server] in try? await server.shutdownGracefully() }
    _ = ended.wait(timeout: .now() + limit)
  }

  // MARK: A request

  private static func respond(
    _ request: Request, _ writer: consuming ResponseWriter, _ router: Router, _ state: ServiceState
  ) async throws {
    let began = ContinuousClock.now
    var answer: Answer
    do {
      let route = try router.route(request.head)
      let room = try room(for: request, state.configuration)
      try state.reserve(room)
      defer { state.release(room) }
      if room > 0, request.headers[.expect]?.lowercased() == "100-continue" {
        try await writer.writeInformationalHead(HTTPResponse(status: .continue))
      }
      let body = room > 0 ? try await body(of: request, limit: state.configuration.mostBytes) : []
      answer = try await route.answer(Inquiry(head: request.head, body: body))
    } catch let refusal as Refusal {
      answer = Answer(refusal)
    }
    let seconds = (ContinuousClock.now - began) / .seconds(1)
    state.metrics.answered(router.label(request.head), status: answer.status.code, seconds: seconds)
    let head = answer.head
    if request.method == .head { answer.body.clear() }
    try await writer.write(response: head, body: ResponseBody(byteBuffer: answer.body))
  }

  /// Bytes that its body may have.
  private static func room(for request: Request, _ configuration: ServiceConfiguration) throws -> Int {
    guard let length = request.headers[.contentLength].flatMap({ Int($0) }) else {
      return request.headers[.transferEncoding] == nil ? 0 : configuration.mostBytes
    }
    guard length <= configuration.mostBytes else { throw tooLarge(configuration.mostBytes) }
    return length
  }

  private static func tooLarge(_ limit: Int) -> Refusal {
    Refusal(
      413, "the request has more than \(limit) bytes",
      hint: "send its rows in parts, or score the file: vae-dist score RUN FILE")
  }

  private static func body(of request: Request, limit: Int) async throws -> [UInt8] {
    var body: [UInt8] = []
    for try await part in request.body {
      guard body.count + part.readableBytes <= limit else { throw tooLarge(limit) }
      body += part.readableBytesView
    }
    return body
  }
}
