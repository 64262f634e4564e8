import Domain
import NIOCore
import NIOHTTP1
import NIOHTTP2
import Operations

/// The connection that carries HTTP/2 streams: counts them, closes when idle or draining.
final class HTTP2Connection: ChannelInboundHandler, TimedConnection, @unchecked Sendable {
    // Unchecked: touched on the channel's event loop only.
    typealias InboundIn = HTTP2Frame

    private let state: LoopState
    private var context: ChannelHandlerContext?
    private var streams = 0
    private var isDraining = false
    private var idleSince = NIODeadline.now()
    private var unwritableSince: NIODeadline?

    init(_ state: LoopState) { self.state = state }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        state.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        state.remove(self)
    }

    func streamOpened() { streams += 1 }

    func streamClosed() {
        streams -= 1
        idleSince = .now()
        if isDraining, streams == 0 { context?.close(promise: nil) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        unwritableSince = context.channel.isWritable ? nil : .now()
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Framing and flood errors: the HTTP/2 handler has sent its GOAWAY.
        context.close(promise: nil)
    }

    func checkDeadlines(_ now: NIODeadline) {
        let isStuck = unwritableSince.map { now - $0 > state.limits.writeTime.timeAmount } ?? false
        if isStuck || (streams == 0 && now - idleSince > state.limits.idleTime.timeAmount) {
            context?.close(promise: nil)
        }
    }

    func drain() {
        isDraining = true
        if streams == 0 { context?.close(promise: nil) }
    }
}

/// One HTTP/2 stream: one request, one answer.
final class HTTP2Stream: ChannelInboundHandler, TimedConnection, @unchecked Sendable {
    // Unchecked: handed to its own task, which runs on the thread of the channel's event loop, as do all events.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let state: LoopState
    private let connection: HTTP2Connection
    private let peer: Peer
    private let tlsVersion: String
    private var context: ChannelHandlerContext?
    private var head: RequestAssembler.Head?
    private var limit = Dispatcher.usualBodyLimit
    private var isAnswered = false
    private let opened = NIODeadline.now()

    init(_ state: LoopState, connection: HTTP2Connection, peer: Peer, tlsVersion: String) {
        self.state = state
        self.connection = connection
        self.peer = peer
        self.tlsVersion = tlsVersion
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connection.streamOpened()
        state.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        state.remove(self)
        connection.streamClosed()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isAnswered else { return }
        switch unwrapInboundIn(data) {
        case .head(let received):
            do throws(VaultError) {
                var assembler = RequestAssembler(limits: state.limits)
                let assembled = try assembler.assemble(received, peer: peer, tlsVersion: tlsVersion)
                limit = state.dispatcher.bodyLimit(assembled.request, on: state.lane)
                head = assembled
                if let length = assembled.contentLength, length > limit {
                    refuseBody(of: assembled.request, over: limit)
                }
            } catch { refuse(error, target: received.uri) }
        case .body(let bytes):
            guard let count = head?.request.body.count else { return }
            guard count + bytes.readableBytes <= limit else {
                if let request = head?.request { refuseBody(of: request, over: limit) }
                return
            }
            head?.request.body.append(contentsOf: bytes.readableBytesView)
        case .end:
            if let request = head?.request { answer(request) }
        }
    }

    private func answer(_ request: Request) {
        isAnswered = true
        answer { [state, peer] in
            defer { state.endRequest() }
            guard state.beginRequest() else {
                return await state.dispatcher.refuse(
                    LoopState.overloaded, target: request.target, host: request.host, peer: peer, on: state.lane)
            }
            return await state.dispatcher.respond(request, on: state.lane)
        }
    }

    /// A body that is too large: a caller without a valid token gets the challenge all the same, before any word on the body.
    private func refuseBody(of request: Request, over limit: Int) {
        guard state.dispatcher.isChallenged(request, on: state.lane) else {
            refuse(.bodyTooLarge(limit), target: request.target)
            return
        }
        request.body = []
        request.exceededLimit = limit
        answer(request)
    }

    private func refuse(_ error: VaultError, target: String) {
        isAnswered = true
        let host = head?.request.host ?? ""
        answer { [state, peer] in
            await state.dispatcher.refuse(error, target: target, host: host, peer: peer, on: state.lane)
        }
    }

    private func answer(_ respond: @escaping @Sendable () async -> Response) {
        state.executor.run {
            _ = Task(executorPreference: state.executor) {
                let response = await respond()
                self.write(response)
            }
        }
    }

    private func write(_ response: Response) {
        guard let context else { return }
        let info = ResponseWriter.networkInfo(peer)
        context.write(
            wrapOutboundOut(.head(state.writer.head(response, networkInfo: info, date: state.date))), promise: nil)
        if response.hasBody {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: response.body)))), promise: nil)
        }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func checkDeadlines(_ now: NIODeadline) {
        guard !isAnswered else { return }
        let limit = head == nil ? state.limits.headTime : state.limits.bodyTime
        guard now - opened > limit.timeAmount else { return }
        refuse(
            VaultError(.requestTimeout, "The request was not complete within \(limit.components.seconds) seconds."),
            target: head?.request.target ?? "")
    }

    func drain() {}
}
