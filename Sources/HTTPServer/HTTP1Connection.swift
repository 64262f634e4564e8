import Domain
import NIOCore
import NIOHTTP1
import NIOSSL
import Operations
import Synchronization

/// One HTTP/1.1 connection: collects requests, answers them in order, one task for its whole life.
///
/// The task asks for the next request and suspends; the channel's events feed it. Everything happens on the loop's thread.
final class HTTP1Connection: ChannelDuplexHandler, TimedConnection, @unchecked Sendable {
    // Unchecked: handed to its own task, which runs on the thread of the channel's event loop, as do all events.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What the task is to answer next.
    private enum Work {
        case request(Request, closes: Bool)
        case refusal(VaultError, target: String, host: String)
    }

    private enum Phase {
        /// Between requests.
        case idle(since: NIODeadline)
        case readingHead(since: NIODeadline)
        case readingBody(RequestAssembler.Head, limit: Int, since: NIODeadline)
        /// Nothing more is read: the connection closes after what is queued.
        case finished
    }

    private let state: LoopState
    private var assembler: RequestAssembler
    private let tlsVersion: String
    private let peer: Peer
    private let networkInfo: [UInt8]
    private var context: ChannelHandlerContext?
    private var phase: Phase
    private var queue: [Work] = []
    private var waiting: UnsafeContinuation<Work?, Never>?
    private var isAnswering = false
    private var closesAfterQueue = false
    private var holdsRead = false
    private var output: ByteBuffer
    private var unwritableSince: NIODeadline?
    private var sawMessage = false

    init(_ state: LoopState, peer: Peer, tlsVersion: String, allocator: ByteBufferAllocator) {
        self.state = state
        self.peer = peer
        networkInfo = ResponseWriter.networkInfo(peer)
        self.tlsVersion = tlsVersion
        assembler = RequestAssembler(limits: state.limits)
        phase = .readingHead(since: .now())
        output = allocator.buffer(capacity: 2_048)
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        state.add(self)
        Task(executorPreference: state.executor) { await self.serve() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        state.remove(self)
        phase = .finished
        // A request that is being answered goes on to its end, its record included; it only finds nobody to write to.
        state.executor.run {
            waiting?.resume(returning: nil)
            waiting = nil
        }
    }

    private func serve() async {
        while let work = await next() {
            isAnswering = true
            var response: Response
            var closes = false
            switch work {
            case .request(let request, let last):
                if state.beginRequest() {
                    response = await state.dispatcher.respond(request, on: state.lane)
                } else {
                    response = await state.dispatcher.refuse(
                        LoopState.overloaded, target: request.target, host: request.host, peer: peer, on: state.lane)
                }
                state.endRequest()
                closes = last
            case .refusal(let error, let target, let host):
                response = await state.dispatcher.refuse(error, target: target, host: host, peer: peer, on: state.lane)
                closes = true
            }
            isAnswering = false
            write(response, closes: closes || response.closes || (closesAfterQueue && queue.isEmpty))
        }
    }

    private func next() async -> Work? {
        if !queue.isEmpty { return queue.removeFirst() }
        if context == nil { return nil }
        return await withUnsafeContinuation { waiting = $0 }
    }

    private func deliver(_ work: Work) {
        if let continuation = waiting {
            waiting = nil
            state.executor.run { continuation.resume(returning: work) }
        } else {
            queue.append(work)
        }
    }

    private func write(_ response: Response, closes: Bool) {
        guard let context else { return }
        output.clear(minimumCapacity: 2_048)
        state.writer.write(
            response, networkInfo: networkInfo, date: state.date, closes: closes, gathering: &state.scratch, to: &output
        )
        if closes {
            phase = .finished
            queue.removeAll()
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(output)).whenComplete { _ in channel.close(promise: nil) }
        } else {
            context.writeAndFlush(wrapOutboundOut(output), promise: nil)
            if holdsRead, queue.count < state.limits.pipelinedRequests {
                holdsRead = false
                context.read()
            }
        }
    }

    // MARK: Events

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        sawMessage = true
        switch unwrapInboundIn(data) {
        case .head(let head): receive(head, context)
        case .body(let bytes): receive(bytes)
        case .end: receiveEnd()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Bytes came and no message: a head has begun.
        if !sawMessage, case .idle = phase { phase = .readingHead(since: .now()) }
        sawMessage = false
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if queue.count >= state.limits.pipelinedRequests { holdsRead = true } else { context.read() }
    }

    private func receive(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        if case .finished = phase { return }
        do throws(VaultError) {
            let assembled = try assembler.assemble(head, peer: peer, tlsVersion: tlsVersion)
            var limit = Dispatcher.usualBodyLimit
            if assembled.hasBody {
                limit = state.dispatcher.bodyLimit(assembled.request, on: state.lane)
                guard assembled.contentLength ?? 0 <= limit else {
                    refuseBody(of: assembled.request, over: limit)
                    return
                }
            }
            if assembled.expectsContinue {
                context.writeAndFlush(
                    wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
            }
            phase = .readingBody(assembled, limit: limit, since: .now())
        } catch {
            refuse(error, target: head.uri, host: head.headers.first(name: "host") ?? "")
        }
    }

    private func receive(_ bytes: ByteBuffer) {
        guard case .readingBody(let head, let limit, _) = phase else { return }
        guard head.request.body.count + bytes.readableBytes <= limit else {
            refuseBody(of: head.request, over: limit)
            return
        }
        head.request.body.append(contentsOf: bytes.readableBytesView)
    }

    private func receiveEnd() {
        guard case .readingBody(let head, _, _) = phase else { return }
        let closes = !head.isKeptAlive || state.load.isDraining.load(ordering: .relaxed)
        phase = closes ? .finished : .idle(since: .now())
        deliver(.request(head.request, closes: closes))
    }

    /// A body that is too large: a caller without a valid token gets the challenge all the same, before any word on the body.
    private func refuseBody(of request: Request, over limit: Int) {
        guard state.dispatcher.isChallenged(request, on: state.lane) else {
            refuse(.bodyTooLarge(limit), target: request.target, host: request.host)
            return
        }
        phase = .finished
        request.body = []
        request.exceededLimit = limit
        deliver(.request(request, closes: true))
    }

    private func refuse(_ error: VaultError, target: String, host: String) {
        phase = .finished
        let name = host.split(separator: ":").first.map { $0.lowercased() } ?? ""
        let isHostName = name.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D || $0 == 0x2E }
        deliver(.refusal(error, target: target, host: isHostName ? String(name.prefix(255)) : ""))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .finished = phase {
            if !isAnswering, queue.isEmpty { context.close(promise: nil) }
            return
        }
        switch error {
        case HTTPParserError.headerOverflow: refuse(RequestAssembler.headTooLarge(state.limits), target: "", host: "")
        case is HTTPParserError, is NIOHTTPDecoderError:
            refuse(RequestAssembler.malformed("The request is not valid HTTP/1.1."), target: "", host: "")
        default: context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            // The client sends no more; it may still read what is being answered.
            closesAfterQueue = true
            if !isAnswering, queue.isEmpty { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        unwritableSince = context.channel.isWritable ? nil : .now()
        context.fireChannelWritabilityChanged()
    }

    // MARK: Deadlines

    func checkDeadlines(_ now: NIODeadline) {
        guard let context else { return }
        let limits = state.limits
        if let since = unwritableSince, now - since > limits.writeTime.timeAmount {
            context.close(promise: nil)
            return
        }
        switch phase {
        case .idle(let since):
            if !isAnswering, queue.isEmpty, now - since > limits.idleTime.timeAmount { context.close(promise: nil) }
        case .readingHead(let since):
            if now - since > limits.headTime.timeAmount {
                refuse(
                    VaultError(
                        .requestTimeout,
                        "The request head was not complete within \(limits.headTime.components.seconds) seconds."),
                    target: "", host: "")
            }
        case .readingBody(let head, _, let since):
            if now - since > limits.bodyTime.timeAmount {
                refuse(
                    VaultError(
                        .requestTimeout,
                        "The request body was not complete within \(limits.bodyTime.components.seconds) seconds."),
                    target: head.request.target, host: head.request.host)
            }
        case .finished: break
        }
    }

    func drain() {
        closesAfterQueue = true
        guard !isAnswering, queue.isEmpty else { return }
        switch phase {
        case .idle, .readingHead, .finished: context?.close(promise: nil)
        case .readingBody: break
        }
    }
}
