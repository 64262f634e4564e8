package import Domain
import NIOCore
import NIOHTTP1
import NIOHTTP2
package import NIOPosix
package import NIOSSL
import NIOTLS
package import Operations
import Synchronization
package import Threads

#if canImport(Glibc)
    import Glibc
#endif

/// The HTTPS door: listeners, TLS, HTTP/1.1 and HTTP/2, limits.
package final class HTTPServer: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let states: [LoopState]
    private let tls: Mutex<NIOSSLContext>
    private let limits: HTTPLimits
    private let load = ServerLoad()
    private let listeners = Mutex<[any Channel]>([])
    private let ticks = Mutex<[RepeatedTask]>([])
    private let site: PublicSite?

    /// What a listener takes.
    package enum Speech: Sendable {
        case tls
        /// The public documents alone.
        case plain
        /// Either, told apart by the first byte.
        case both
    }

    /// - Parameters:
    ///   - site: what is served over plain HTTP; nil for nothing.
    ///   - makeLane: called once for each event loop.
    package init(
        group: MultiThreadedEventLoopGroup, tls: NIOSSLContext, dispatcher: Dispatcher, limits: HTTPLimits,
        region: String, site: PublicSite? = nil,
        clock: @escaping @Sendable () -> Timestamp, makeLane: (any Waker) throws -> Lane
    ) throws {
        self.group = group
        self.tls = Mutex(tls)
        self.limits = limits
        self.site = site
        let writer = ResponseWriter(region: region)
        let load = load
        states = try group.makeIterator().map { loop in
            let executor = LoopExecutor(loop)
            return LoopState(
                executor: executor, dispatcher: dispatcher, lane: try makeLane(executor), limits: limits,
                writer: writer, load: load,
                clock: clock)
        }
        ticks.withLock { ticks in
            ticks = states.map { state in
                state.executor.eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
                    state.tick()
                }
            }
        }
    }

    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
    package static func tlsContext(
        certificateChain: [NIOSSLCertificate], privateKey: NIOSSLPrivateKey
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificateChain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["h2", "http/1.1"]
        // How long a closing connection waits for the client's own goodbye; at a stop all idle ones wait at once.
        configuration.shutdownTimeout = .milliseconds(500)
        return try NIOSSLContext(configuration: configuration)
    }

    /// New connections get this context; those that stand keep theirs.
    package func replaceTLS(_ context: NIOSSLContext) { tls.withLock { $0 = context } }

    /// Listens on every address; answers the ports.
    ///
    /// - Parameter endpoint: the name of the private endpoint that it is; nil for everybody's.
    package func listen(
        on addresses: [String], port: Int, speaking speech: Speech = .tls, endpoint: String? = nil
    ) async throws -> [Int] {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [self] channel in initialize(channel, speech, endpoint) }
        var port = port
        var ports: [Int] = []
        for address in addresses {
            // Each address is listened on by itself, so that `0.0.0.0` and `::` can both be named.
            let isIPv6 = address.contains(":")
            let listener =
                isIPv6
                ? bootstrap.serverChannelOption(
                    .socket(SocketOptionLevel(IPPROTO_IPV6), SocketOptionName(IPV6_V6ONLY)), value: 1) : bootstrap
            let channel = try await listener.bind(host: address, port: port).get()
            listeners.withLock { $0.append(channel) }
            // Port 0 picks one; all addresses then share it.
            if port == 0 { port = channel.localAddress?.port ?? 0 }
            ports.append(port)
        }
        return ports
    }

    private func initialize(_ channel: any Channel, _ speech: Speech, _ endpoint: String?) -> EventLoopFuture<Void> {
        guard load.connections.add(1, ordering: .relaxed).newValue <= limits.connections,
            let state = states.first(where: { $0.executor.eventLoop === channel.eventLoop })
        else {
            load.connections.subtract(1, ordering: .relaxed)
            return channel.close()
        }
        channel.closeFuture.whenComplete { [load] _ in load.connections.subtract(1, ordering: .relaxed) }
        let context = tls.withLock { $0 }
        let origin = ConnectionOrigin(channel, endpoint: endpoint)
        return channel.eventLoop.makeCompletedFuture {
            let greeting = Greeting(state)
            try channel.pipeline.syncOperations.addHandler(greeting)
            let asTLS: @Sendable (any Channel) throws -> Void = { [self] channel in
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(NIOSSLServerHandler(context: context))
                try pipeline.addHandler(
                    ApplicationProtocolNegotiationHandler { [self] result, channel in
                        greeting.end()
                        return channel.eventLoop.makeCompletedFuture {
                            try configure(channel, state, result, origin.peer)
                        }
                    })
            }
            let asPlain: @Sendable (any Channel) throws -> Void = { [self] channel in
                greeting.end()
                try configurePlain(channel, state)
            }
            let begin: @Sendable (any Channel) throws -> Void = { channel in
                switch speech {
                case .tls: try asTLS(channel)
                case .plain: try asPlain(channel)
                case .both:
                    try channel.pipeline.syncOperations.addHandler(PlainDetector(asTLS: asTLS, asPlain: asPlain))
                }
            }
            guard !limits.proxyProtocol.isEmpty, let address = AddressRange(origin.peer.address),
                limits.proxyProtocol.contains(address)
            else {
                return try begin(channel)
            }
            try channel.pipeline.syncOperations.addHandler(ProxyHeaderHandler(origin, next: begin))
        }
    }

    private func configurePlain(_ channel: any Channel, _ state: LoopState) throws {
        guard let site else { throw ChannelError.operationUnsupported }
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(ByteToMessageHandler(decoder))
        try pipeline.addHandler(PublicConnection(state, site: site, allocator: channel.allocator))
    }

    private var decoder: HTTPRequestDecoder {
        var decoding = NIOHTTPDecoderLimitConfiguration()
        decoding.maxHeaderFieldSize = limits.headBytes
        decoding.maxHeaderListSize = limits.headBytes
        decoding.maxHeaderFieldCount = limits.headerCount
        return HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: decoding)
    }

    private func configure(_ channel: any Channel, _ state: LoopState, _ result: ALPNResult, _ peer: Peer) throws {
        let pipeline = channel.pipeline.syncOperations
        let version: String =
            switch try pipeline.nioSSL_tlsVersion() {
            case .tlsv13: "TLS1_3"
            case .tlsv12: "TLS1_2"
            default: ""
            }
        if case .negotiated("h2") = result {
            try configureHTTP2(channel, state, version, peer)
        } else {
            try pipeline.addHandler(ByteToMessageHandler(decoder))
            try pipeline.addHandler(
                HTTP1Connection(state, peer: peer, tlsVersion: version, allocator: channel.allocator))
        }
    }

    private func configureHTTP2(_ channel: any Channel, _ state: LoopState, _ version: String, _ peer: Peer) throws {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: limits.concurrentStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: limits.headBytes),
        ]
        configuration.maximumRecentlyResetStreams = 100
        let connection = HTTP2Connection(state)
        _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
            mode: .server, connectionConfiguration: configuration, streamConfiguration: .init()
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(AuthorityCheck())
                try stream.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTP1ServerCodec())
                try stream.pipeline.syncOperations.addHandler(
                    HTTP2Stream(state, connection: connection, peer: peer, tlsVersion: version))
            }
        }
        try channel.pipeline.syncOperations.addHandler(connection)
    }

    /// Stops accepting, lets what is in flight finish within `grace`, then closes what is left.
    package func stop(grace: Duration) async {
        let channels = listeners.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in channels { try? await channel.close() }
        load.isDraining.store(true, ordering: .relaxed)
        let end = ContinuousClock.now + grace
        while load.connections.load(ordering: .relaxed) > 0, ContinuousClock.now < end {
            for state in states { state.executor.eventLoop.execute { state.drain() } }
            try? await Task.sleep(for: .milliseconds(50))
        }
        for tick in ticks.withLock({ $0 }) { tick.cancel() }
    }
}
