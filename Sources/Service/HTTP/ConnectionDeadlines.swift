#if Service
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Closes connections of slow clients. It limits the time for a request to arrive and for a response to be read.
final class ConnectionDeadlines: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let patience, idleLimit, lingering: TimeAmount
  /// Numbers of request heads and request ends received, and of responses begun and completed.
  private var heads = 0, ends = 0, answersBegun = 0, answersDone = 0
  private var deadline: NIODeadline?
  private var timer: (task: Scheduled<Void>, end: NIODeadline)?

  init(_ configuration: ServiceConfiguration) {
    func amount(_ seconds: Double) -> TimeAmount { .nanoseconds(Int64(seconds * 1e9)) }
    patience = amount(configuration.patience)
    idleLimit = amount(configuration.idleLimit)
    lingering = amount(configuration.lingering)
  }

  func handlerAdded(context: ChannelHandlerContext) { if context.channel.isActive { allow(patience, context) } }
  func channelActive(context: ChannelHandlerContext) {
    allow(patience, context)
    context.fireChannelActive()
  }
  func handlerRemoved(context: ChannelHandlerContext) { timer?.task.cancel() }
  func channelInactive(context: ChannelHandlerContext) {
    timer?.task.cancel()
    deadline = nil
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head:
      heads += 1
      allow(patience, context)
    case .body: break
    case .end:
      ends += 1
      // The time to compute an answer is not limited. If the answer was already sent, this is the end of a rejected
      // request.
      if answersDone == heads { allow(idleLimit, context) } else { deadline = nil }
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(let head) where head.status.kind != .informational:
      answersBegun += 1
      if ends == heads { allow(idleLimit, context) }
    case .end:
      let promise = promise ?? context.eventLoop.makePromise()
      let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      promise.futureResult.whenSuccess {
        let (handler, context) = bound.value
        handler.answered(context)
      }
      return context.write(data, promise: promise)
    default: break
    }
    context.write(data, promise: promise)
  }

  private func answered(_ context: ChannelHandlerContext) {
    answersDone += 1
    allow(ends < heads ? lingering : idleLimit, context)
  }

  /// Sets the deadline. One timer serves successive deadlines: if it fires before the current deadline, it is
  /// rescheduled.
  private func allow(_ amount: TimeAmount, _ context: ChannelHandlerContext) {
    let end = NIODeadline.now() + amount
    deadline = end
    if let timer, timer.end <= end { return }
    timer?.task.cancel()
    schedule(end, context)
  }

  private func schedule(_ end: NIODeadline, _ context: ChannelHandlerContext) {
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    let task = context.eventLoop.scheduleTask(deadline: end) {
      let (handler, context) = bound.value
      handler.fired(context)
    }
    timer = (task, end)
  }

  private func fired(_ context: ChannelHandlerContext) {
    timer = nil
    guard let deadline else { return }
    guard NIODeadline.now() >= deadline else { return schedule(deadline, context) }
    self.deadline = nil
    // An idle connection between two requests is closed without a response. If a response has already begun, no other
    // can be sent.
    guard answersBegun < heads || heads == 0 else { return context.close(promise: nil) }
    let answer = Answer(
      HTTPError(
        408, "the request did not arrive in time",
        hint: "send the whole request at once, or larger data in several requests"))
    var head = answer.head
    head.headerFields[.connection] = "close"
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(answer.body)), promise: nil)
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    let sent = context.eventLoop.makePromise(of: Void.self)
    sent.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
  }
}
#endif
