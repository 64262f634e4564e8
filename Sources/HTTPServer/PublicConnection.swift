import Domain
import NIOCore
import NIOHTTP1
import Operations
import Synchronization

/// One plain HTTP/1.1 connection to the public documents: no tokens, no records, nothing that is not signed by itself.
///
/// Requests are answered on the spot, in their order. Revocation lists and status answers carry their own signatures and are served
/// without TLS, since checking a certificate must not need another one (RFC 5280 §8).
final class PublicConnection: ChannelInboundHandler, TimedConnection, @unchecked Sendable {
    // Unchecked: everything happens on the thread of the channel's event loop.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    private static let mostBody = 16 << 10

    private let state: LoopState
    private let site: PublicSite
    private var context: ChannelHandlerContext?
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    private var isFinished = false
    private var since = NIODeadline.now()
    private var isReading = true
    private var output: ByteBuffer

    init(_ state: LoopState, site: @escaping PublicSite, allocator: ByteBufferAllocator) {
        self.state = state
        self.site = site
        output = allocator.buffer(capacity: 2_048)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        state.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        state.remove(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isFinished else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.removeAll(keepingCapacity: true)
            (since, isReading) = (.now(), true)
            if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
                context.writeAndFlush(
                    wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
            }
        case .body(let bytes):
            guard body.count + bytes.readableBytes <= Self.mostBody else {
                refuse(413, "The request body is larger than \(Self.mostBody) bytes.", context)
                return
            }
            body.append(contentsOf: bytes.readableBytesView)
        case .end:
            guard let head else { return }
            self.head = nil
            (since, isReading) = (.now(), false)
            answer(head, context)
        }
    }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let closes = !head.isKeepAlive || state.load.isDraining.load(ordering: .relaxed)
        guard head.uri.utf8.count <= state.limits.targetBytes else {
            refuse(414, "The request target is longer than \(state.limits.targetBytes) bytes.", context)
            return
        }
        guard [.GET, .HEAD, .POST].contains(head.method) else {
            write(
                405, "text/plain", Array("Only GET, HEAD and POST are answered here.\n".utf8), nil, head, closes,
                context)
            return
        }
        guard let path = Self.path(head.uri) else {
            refuse(400, "The request target is not a valid path.", context)
            return
        }
        let request = PublicRequest(isRead: head.method != .POST, path: path, body: body)
        do throws(VaultError) {
            guard let document = try site(request, state.lane, state.now) else {
                let text =
                    "Nothing is served here without TLS but revocation lists (/crl), certificates of authorities (/ca), their status "
                    + "(/ocsp) and challenges of ACME. Use https for everything else.\n"
                write(404, "text/plain", Array(text.utf8), nil, head, true, context)
                return
            }
            write(200, document.type, document.body, document.maxAge, head, closes, context)
        } catch {
            write(500, "text/plain", Array("The document cannot be read.\n".utf8), nil, head, true, context)
        }
    }

    /// Segments behind the first slash, each decoded; empty ones count, since base64 may hold two slashes in a row. An encoded slash
    /// divides too: it can only be a part of base64.
    static func path(_ uri: String) -> [String]? {
        var target = Array(uri.utf8)[...]
        if target.first != slash, let scheme = target.firstIndex(of: UInt8(ascii: ":")),
            target[scheme...].starts(with: "://".utf8)
        {
            target = target[(scheme + 3)...]
            guard let start = target.firstIndex(of: slash) else { return [""] }
            target = target[start...]
        }
        guard target.popFirst() == slash else { return nil }
        var segments: [String] = []
        var segment: [UInt8] = []
        func end() -> Bool {
            guard let text = String(validating: segment, as: UTF8.self) else { return false }
            segments.append(text)
            segment.removeAll(keepingCapacity: true)
            return true
        }
        while var byte = target.popFirst(), byte != UInt8(ascii: "?") {
            if byte == UInt8(ascii: "%") {
                guard let high = target.popFirst().flatMap({ Hex.value(of: $0) }),
                    let low = target.popFirst().flatMap({ Hex.value(of: $0) })
                else { return nil }
                byte = high << 4 | low
            }
            if byte == slash {
                guard end() else { return nil }
            } else {
                segment.append(byte)
            }
        }
        return end() ? segments : nil
    }

    private static let slash = UInt8(ascii: "/")

    private func refuse(_ status: Int, _ text: String, _ context: ChannelHandlerContext) {
        write(status, "text/plain", Array((text + "\n").utf8), nil, nil, true, context)
    }

    private func write(
        _ status: Int, _ type: String, _ body: [UInt8], _ maxAge: Int?, _ head: HTTPRequestHead?, _ closes: Bool,
        _ context: ChannelHandlerContext
    ) {
        output.clear(minimumCapacity: 2_048)
        output.writeString("HTTP/1.1 \(status) \(HTTPResponseStatus(statusCode: status).reasonPhrase)\r\n")
        output.writeBytes(state.date)
        output.writeString("Content-Type: \(type)\r\nContent-Length: \(body.count)\r\n")
        if let maxAge {
            output.writeString("Cache-Control: max-age=\(maxAge), public, no-transform, must-revalidate\r\n")
        } else {
            output.writeString("Cache-Control: no-store\r\n")
        }
        output.writeString(closes ? "Connection: close\r\n\r\n" : "\r\n")
        if head?.method != .HEAD { output.writeBytes(body) }
        if closes {
            isFinished = true
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(output)).whenComplete { _ in channel.close(promise: nil) }
        } else {
            context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isFinished else { return }
        switch error {
        case HTTPParserError.headerOverflow: refuse(431, "The request head is too large.", context)
        case is HTTPParserError, is NIOHTTPDecoderError: refuse(400, "The request is not valid HTTP/1.1.", context)
        default: context.close(promise: nil)
        }
    }

    func checkDeadlines(_ now: NIODeadline) {
        let limit = isReading ? state.limits.headTime : state.limits.idleTime
        if now - since > limit.timeAmount
            || !(context?.channel.isWritable ?? true) && now - since > state.limits.writeTime.timeAmount
        {
            context?.close(promise: nil)
        }
    }

    func drain() { context?.close(promise: nil) }
}

/// Looks at the first byte of a connection: a TLS handshake begins with 22, a request in plain HTTP with a letter.
final class PlainDetector: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let asTLS: @Sendable (any Channel) throws -> Void
    private let asPlain: @Sendable (any Channel) throws -> Void

    init(
        asTLS: @escaping @Sendable (any Channel) throws -> Void,
        asPlain: @escaping @Sendable (any Channel) throws -> Void
    ) {
        (self.asTLS, self.asPlain) = (asTLS, asPlain)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) else { return }
        do {
            try first.isASCIILetter ? asPlain(context.channel) : asTLS(context.channel)
            context.fireChannelRead(data)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }
}
