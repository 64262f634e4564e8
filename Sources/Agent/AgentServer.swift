import Cryptography
package import Domain
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Gives programs of this host the tokens of the host's identity, by the two endpoints that their SDKs know: the instance metadata service
/// (IMDS) and App Service.
///
/// It listens on loopback, or on the link-local address of the metadata service; it answers nobody that came through a proxy.
/// - Source: the "managed identity" sources of azure-identity; Azure Instance Metadata Service, 2018-02-01; App Service, 2019-08-01.
package final class AgentServer: Sendable {
    package struct Options: Sendable {
        /// `127.0.0.1:50342`
        package var addresses: [(host: String, port: Int)]
        /// What callers of the App Service endpoint must show; nil to serve none.
        package var identityHeader: SensitiveBytes?
        /// User ids that may ask; nil for all.
        package var users: Set<UInt32>?
        package var log: @Sendable (String) -> Void

        package init(
            addresses: [(host: String, port: Int)], identityHeader: SensitiveBytes?, users: Set<UInt32>?,
            log: @escaping @Sendable (String) -> Void
        ) {
            (self.addresses, self.identityHeader, self.users, self.log) = (addresses, identityHeader, users, log)
        }
    }

    fileprivate let identity: HostIdentity
    fileprivate let options: Options
    fileprivate let limit = Mutex(RateLimit())
    fileprivate let connections = Atomic<Int>(0)
    private let group: MultiThreadedEventLoopGroup
    private let channels: Mutex<[any Channel]> = Mutex([])

    package init(_ identity: HostIdentity, _ options: Options) {
        (self.identity, self.options) = (identity, options)
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    }

    /// - Returns: where it listens.
    package func start() async throws -> [(host: String, port: Int)] {
        var bound: [(host: String, port: Int)] = []
        for (host, port) in options.addresses {
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { [self] channel in
                    channel.eventLoop.makeCompletedFuture {
                        let sync = channel.pipeline.syncOperations
                        try sync.configureHTTPServerPipeline(withErrorHandling: true)
                        try sync.addHandler(AgentConnection(self))
                    }
                }
                .bind(host: host, port: port).get()
            channels.withLock { $0.append(channel) }
            bound.append((host, channel.localAddress?.port ?? port))
        }
        return bound
    }

    package func stop() async {
        for channel in channels.withLock({ $0 }) { try? await channel.close() }
        try? await group.shutdownGracefully()
    }
}

/// One connection: requests one after the other, each answered from a task.
private final class AgentConnection: ChannelInboundHandler, @unchecked Sendable {
    // Unchecked: everything happens on the thread of the channel's event loop.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private static let mostConnections = 256
    private static let longestTarget = 4_096

    private let server: AgentServer
    private var head: HTTPRequestHead?
    private var user: UInt32?
    private var idle: Scheduled<Void>?

    init(_ server: AgentServer) { self.server = server }

    private struct Answer: Sendable {
        let status: HTTPResponseStatus
        let body: [UInt8]
        var retryAfter: Int?

        static func error(_ status: HTTPResponseStatus, _ code: String, _ text: String, retryAfter: Int? = nil)
            -> Answer
        {
            var writer = JSONWriter()
            writer.object { writer in
                writer.member("error", code)
                writer.member("error_description", text)
                // The form of App Service, which its clients read.
                writer.member("statusCode", Int64(status.code))
                writer.member("message", text)
            }
            return Answer(status: status, body: writer.bytes, retryAfter: retryAfter)
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        guard server.connections.add(1, ordering: .relaxed).newValue <= Self.mostConnections else {
            context.close(promise: nil)
            return
        }
        if let remote = context.remoteAddress, let local = context.localAddress {
            user = LocalCaller.user(of: remote, connectedTo: local)
        }
        wait(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        server.connections.subtract(1, ordering: .relaxed)
        idle?.cancel()
        context.fireChannelInactive()
    }

    /// A connection without a request is closed after a while.
    private func wait(_ context: ChannelHandlerContext) {
        idle?.cancel()
        let channel = context.channel
        idle = context.eventLoop.scheduleTask(in: .seconds(30)) { channel.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break  // No request of these has one that counts.
        case .end:
            guard let head else { return }
            self.head = nil
            wait(context)
            let (server, user, loop, channel) = (server, user, context.eventLoop, context.channel)
            let answered = loop.makeFutureWithTask { await Self.answer(head, user, server) }
            answered.whenComplete { result in
                guard case .success(let answer) = result else { return channel.close(promise: nil) }
                Self.write(answer, closes: !head.isKeepAlive, channel)
            }
        }
    }

    private static func write(_ answer: Answer, closes: Bool, _ channel: any Channel) {
        var head = HTTPResponseHead(version: .http1_1, status: answer.status)
        head.headers.add(name: "Content-Type", value: "application/json; charset=utf-8")
        head.headers.add(name: "Content-Length", value: String(answer.body.count))
        head.headers.add(name: "Cache-Control", value: "no-store")
        if let seconds = answer.retryAfter { head.headers.add(name: "Retry-After", value: String(seconds)) }
        if closes { head.headers.add(name: "Connection", value: "close") }
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: answer.body))), promise: nil)
        let end = channel.writeAndFlush(HTTPServerResponsePart.end(nil))
        if closes { end.whenComplete { _ in channel.close(promise: nil) } }
    }

    // MARK: Requests

    private static func answer(_ head: HTTPRequestHead, _ user: UInt32?, _ server: AgentServer) async -> Answer {
        guard let user, server.options.users?.contains(user) ?? true else {
            server.options.log("agent: user \(user.map(String.init) ?? "unknown") was refused")
            return .error(.forbidden, "access_denied", "This user of the host may not ask for tokens.")
        }
        guard server.limit.withLock({ $0.allows(user, now: .now()) }) else {
            return .error(.tooManyRequests, "too_many_requests", "Too many requests. Try again later.", retryAfter: 1)
        }
        guard head.method == .GET else {
            return .error(.methodNotAllowed, "invalid_request", "Only GET is answered here.")
        }
        // A request that somebody else passes on is not one of this host's.
        for name in ["x-forwarded-for", "forwarded", "via"] where head.headers.contains(name: name) {
            return .error(.badRequest, "invalid_request", "Requests that came through a proxy are not answered.")
        }
        guard head.uri.utf8.count <= longestTarget, head.uri.hasPrefix("/") else {
            return .error(.badRequest, "invalid_request", "The request target is not valid.")
        }
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let query = Query(parts.count > 1 ? parts[1] : "") else {
            return .error(.badRequest, "invalid_request", "The query is not valid.")
        }
        switch parts[0] {
        case "/metadata/identity/oauth2/token", "/metadata/identity/oauth2/token/":
            guard head.headers["metadata"].map({ $0.lowercased() }) == ["true"] else {
                return .error(.badRequest, "invalid_request", "Required metadata header not specified")
            }
            return await token(query, resourceID: "msi_res_id", server)
        case "/msi/token", "/msi/token/":
            guard let secret = server.options.identityHeader else { break }
            let shown = head.headers["x-identity-header"].map { SensitiveBytes($0.utf8) }
            guard shown.count == 1, SensitiveBytes.equal(shown[0], secret) else {
                return .error(.unauthorized, "unauthorized", "The X-IDENTITY-HEADER is missing or wrong.")
            }
            return await token(query, resourceID: "mi_res_id", server)
        default: break
        }
        return .error(.notFound, "not_found", "Nothing is served here but tokens of the host's identity.")
    }

    private static func token(_ query: Query, resourceID: String, _ server: AgentServer) async -> Answer {
        guard query["api-version"]?.isEmpty == false else {
            return .error(.badRequest, "invalid_request", "The api-version query parameter is missing.")
        }
        guard let resource = query["resource"], (9...512).contains(resource.utf8.count) else {
            return .error(.badRequest, "invalid_request", "The resource query parameter is missing or not valid.")
        }
        for name in ["client_id", "object_id", "principal_id", resourceID] {
            guard let wanted = query[name] else { continue }
            guard name == "client_id", GUID(wanted) == server.identity.clientID else {
                return .error(.badRequest, "invalid_request", "Identity not found")
            }
        }
        do throws(HostIdentity.Failure) {
            let token = try await server.identity.token(for: resource)
            return Answer(
                status: .ok, body: document(token, resource, server.identity.clientID, server.identity.clock()))
        } catch {
            switch error {
            case .refused(let text):
                server.options.log("agent: the token service refused: \(text)")
                return .error(.badRequest, "invalid_request", text)
            case .unreachable(let text):
                server.options.log("agent: \(text)")
                return .error(
                    .serviceUnavailable, "temporarily_unavailable", "The token service cannot be asked now.",
                    retryAfter: 5)
            }
        }
    }

    private static func document(_ token: HostIdentity.Token, _ resource: String, _ clientID: GUID, _ now: Timestamp)
        -> [UInt8]
    {
        let end = token.expires.epochSeconds
        let left = max(0, (token.expires - now).components.seconds)
        var writer = JSONWriter()
        writer.object { answer in
            answer.member("access_token", token.value)
            answer.member("client_id", clientID)
            answer.member("expires_in", String(left))
            answer.member("expires_on", String(end))
            answer.member("ext_expires_in", String(left))
            answer.member("resource", resource)
            answer.member("token_type", "Bearer")
        }
        return writer.bytes
    }
}

/// A query string: each name once.
private struct Query {
    private var values: [String: String] = [:]

    init?(_ text: Substring) {
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts[0].removingPercents, let value = (parts.count > 1 ? parts[1] : "").removingPercents,
                values.updateValue(value, forKey: name.lowercased()) == nil
            else { return nil }
        }
    }

    subscript(name: String) -> String? { values[name] }
}

extension Substring {
    fileprivate var removingPercents: String? {
        var bytes: [UInt8] = []
        var rest = Array(utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(Hex.value), let low = rest.popFirst().flatMap(Hex.value) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
