import NIOCore

/// The beginning of a connection: what a proxy says of it, and the TLS handshake. It ends within the time of a request's head, with
/// the client's going, or with the server's stop, so that nobody holds a connection by saying nothing.
final class Greeting: ChannelInboundHandler, RemovableChannelHandler, TimedConnection, @unchecked Sendable {
    // Unchecked: touched on the loop's thread only.
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let state: LoopState
    private let until: NIODeadline
    private var context: ChannelHandlerContext?

    init(_ state: LoopState) {
        self.state = state
        until = .now() + state.limits.headTime.timeAmount
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        state.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        state.remove(self)
        self.context = nil
    }

    /// What follows has deadlines of its own.
    func end() {
        guard let context else { return }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func checkDeadlines(_ now: NIODeadline) { if now > until { context?.close(promise: nil) } }

    func drain() { context?.close(promise: nil) }
}
