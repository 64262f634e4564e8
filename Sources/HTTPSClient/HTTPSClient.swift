import Domain
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

#if canImport(Glibc)
    import Glibc
#endif

/// One exchange with a server elsewhere, over TLS, on a connection of its own. Bounded in size and time; redirects are not followed.
package struct HTTPSClient: Sendable {
    package struct Failure: Error, Sendable {
        /// Says what went wrong; for operators and the command line.
        package let text: String

        package init(_ text: String) { self.text = text }
    }

    package struct Answer: Sendable {
        package let status: Int
        package let body: [UInt8]
        private let headers: HTTPHeaders

        init(status: Int, headers: HTTPHeaders, body: [UInt8]) {
            (self.status, self.headers, self.body) = (status, headers, body)
        }

        /// The first header of a name, in whatever case.
        package func header(_ name: String) -> String? { headers.first(name: name) }
    }

    /// PEM bundle of the trusted authorities; nil for those of the system.
    private let caFile: String?
    private let mostBytes: Int
    private let timeout: Duration
    private let allowsPlain: Bool

    /// - Parameter allowsPlain: `http` addresses too: for documents that carry their own signatures.
    package init(
        caFile: String? = nil, mostBytes: Int = .max, timeout: Duration = .seconds(60), allowsPlain: Bool = false
    ) {
        self.allowsPlain = allowsPlain
        self.caFile = caFile
        self.mostBytes = mostBytes
        self.timeout = timeout
    }

    /// - Parameter address: `https://host[:port]/path?query`.
    package func exchange(
        _ method: String, _ address: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
    ) async throws(Failure) -> Answer {
        guard let url = URL(string: address), let host = url.host(), !host.isEmpty,
            url.scheme == "https" || allowsPlain && url.scheme == "http"
        else { throw Failure("'\(address)' is not an https address") }
        let isPlain = url.scheme == "http"
        let usual = isPlain ? 80 : 443
        let port = url.port ?? usual
        let context = isPlain ? nil : try tlsContext()
        var head = HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: method), uri: Self.pathAndQuery(address))
        for header in headers { head.headers.add(name: header.name, value: header.value) }
        head.headers.replaceOrAdd(name: "Host", value: port == usual ? host : "\(host):\(port)")
        head.headers.replaceOrAdd(name: "Content-Length", value: String(body.count))
        head.headers.replaceOrAdd(name: "Connection", value: "close")
        if !head.headers.contains(name: "User-Agent") { head.headers.add(name: "User-Agent", value: "strongroom") }
        do {
            return try await send(head, body, host, port, context)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure("the server at \(host) port \(port) cannot be reached: \(Self.text(of: error))")
        }
    }

    /// What an error of the connection says, without the places in code that libraries put into theirs.
    package static func text(of error: any Error) -> String {
        if let failure = error as? NIOConnectionError {
            let reasons = failure.connectionErrors.compactMap { ($0.error as? IOError)?.errnoCode }
            if let reason = reasons.first { return String(cString: strerror(reason)) }
            return failure.connectionErrors.isEmpty ? "its name is not known" : "it does not answer"
        }
        if let error = error as? NIOSSLError, case .uncleanShutdown = error { return "it closed the connection" }
        if error is HTTPParserError { return "it does not speak HTTP" }
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") { return "its certificate does not verify" }
        if let error = error as? NIOSSLExtraError, error == .failedToValidateHostname {
            return "its certificate is for another name"
        }
        guard text.contains("NIOSSL") || text.contains("BoringSSL") else { return text }
        return "TLS could not be agreed: \(text.split(separator: " at ").first ?? "")"
    }

    private func tlsContext() throws(Failure) -> NIOSSLContext {
        var trust = TLSConfiguration.makeClientConfiguration()
        trust.minimumTLSVersion = .tlsv12
        if let caFile { trust.trustRoots = .file(caFile) }
        do { return try NIOSSLContext(configuration: trust) } catch {
            throw Failure("the trusted authorities '\(caFile ?? "of the system")' cannot be read")
        }
    }

    private func send(
        _ head: HTTPRequestHead, _ body: [UInt8], _ host: String, _ port: Int, _ context: NIOSSLContext?
    ) async throws -> Answer {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: Answer.self)
        let seconds = timeout.components.seconds
        let timer = loop.scheduleTask(in: .seconds(seconds)) {
            promise.fail(Failure("no answer within \(seconds) seconds"))
        }
        promise.futureResult.whenComplete { _ in timer.cancel() }
        let mostBytes = mostBytes
        let isAddress = (try? SocketAddress(ipAddress: host, port: port)) != nil
        let connecting = ClientBootstrap(group: loop).connectTimeout(.seconds(10)).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                // A name is sent to the server; an address has none, and is checked against the certificate all the same.
                if let context {
                    try pipeline.addHandler(
                        try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host))
                }
                try pipeline.addHTTPClientHandlers()
                try pipeline.addHandler(Collector(promise, mostBytes: mostBytes))
            }
        }.connect(host: host, port: port)
        connecting.whenFailure { promise.fail($0) }
        connecting.whenSuccess { channel in
            promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        }
        return try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(Failure("the exchange was given up"))
        }
    }

    /// What follows the authority of an address.
    private static func pathAndQuery(_ address: String) -> String {
        guard let scheme = address.firstRange(of: "://"),
            let start = address[scheme.upperBound...].firstIndex(of: "/")
        else { return "/" }
        return String(address[start...])
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart

        private let promise: EventLoopPromise<Answer>
        private let mostBytes: Int
        private var head: HTTPResponseHead?
        private var body: [UInt8] = []

        init(_ promise: EventLoopPromise<Answer>, mostBytes: Int) {
            (self.promise, self.mostBytes) = (promise, mostBytes)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): self.head = head
            case .body(let bytes):
                guard body.count + bytes.readableBytes <= mostBytes else {
                    promise.fail(Failure("the answer is longer than \(mostBytes) bytes"))
                    return
                }
                body.append(contentsOf: bytes.readableBytesView)
            case .end:
                guard let head else { return }
                promise.succeed(Answer(status: Int(head.status.code), headers: head.headers, body: body))
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            promise.fail(error)
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            promise.fail(Failure("the server closed the connection"))
        }
    }
}
