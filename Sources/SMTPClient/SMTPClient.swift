package import Domain
import HTTPSClient
import NIOCore
import NIOPosix
import NIOSSL

/// Hands one message to a mail server (RFC 5321), over TLS (RFC 8314: from the beginning, or by STARTTLS, RFC 3207).
package struct SMTPClient: Sendable {
    package enum Security: String, Sendable, Decodable { case starttls, tls, none }

    package struct Login: Sendable {
        let user: String
        let password: SensitiveBytes

        package init(user: String, password: SensitiveBytes) { (self.user, self.password) = (user, password) }
    }

    package struct Configuration: Sendable {
        let server: String
        let port: Int
        let security: Security
        let login: Login?
        /// The sender's address.
        let from: String
        /// What the server calls itself.
        let greeting: String
        /// PEM bundle of those who sign the mail server; nil for those of the system.
        let caFile: String?

        package init(
            server: String, port: Int, security: Security, login: Login?, from: String, greeting: String,
            caFile: String?
        ) {
            (self.server, self.port, self.security, self.login) = (server, port, security, login)
            (self.from, self.greeting, self.caFile) = (from, greeting, caFile)
        }
    }

    /// Why a message was not taken.
    package enum Failure: Error, Sendable {
        /// The server will never take it.
        case refused(String)
        /// It is worth trying again.
        case later(String)

        package var text: String {
            switch self {
            case .refused(let text), .later(let text): text
            }
        }
    }

    private static let timeLimit: Int64 = 60

    private let configuration: Configuration

    package init(_ configuration: Configuration) { self.configuration = configuration }

    package func send(_ message: MailMessage) async throws(Failure) {
        guard MailMessage.isAddress(message.recipient) else {
            throw .refused("'\(message.recipient.prefix(64))' is not an address")
        }
        let conversation = try await connect()
        let timer = conversation.loop.scheduleTask(in: .seconds(Self.timeLimit)) {
            conversation.fail(.later("the mail server took longer than \(Self.timeLimit) seconds"))
        }
        defer {
            timer.cancel()
            conversation.close()
        }
        // Whoever waits for this may give up, as the server does when it stops.
        let result = await withTaskCancellationHandler {
            await Result { () async throws(Failure) in try await self.hand(over: message, to: conversation) }
        } onCancel: {
            conversation.fail(.later("the exchange was given up"))
        }
        try result.get()
    }

    private func hand(over message: MailMessage, to conversation: SMTPConversation) async throws(Failure) {
        try await greet(conversation)
        try await conversation.command("MAIL FROM:<\(configuration.from)>", expecting: 250)
        try await conversation.command("RCPT TO:<\(message.recipient)>", expecting: 250, 251, isFinal: true)
        try await conversation.command("DATA", expecting: 354)
        // RFC 5321 §4.5.2: a line that begins with a dot gets another.
        let lines = message.lines(from: configuration.from).map { $0.hasPrefix(".") ? "." + $0 : $0 }
        try await conversation.command(
            lines.joined(separator: "\r\n") + "\r\n.", expecting: 250, named: "the message", isFinal: true)
        // The message is theirs now, whatever is said to the farewell.
        _ = try? await conversation.command("QUIT", expecting: 221)
    }

    private func connect() async throws(Failure) -> SMTPConversation {
        let (server, port) = (configuration.server, configuration.port)
        let context = configuration.security == .none ? nil : try tlsContext()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let isImplicit = configuration.security == .tls
        let lines = SMTPLines()
        do {
            let channel = try await ClientBootstrap(group: loop).connectTimeout(.seconds(10)).channelInitializer {
                channel in
                channel.eventLoop.makeCompletedFuture {
                    if isImplicit, let context {
                        try channel.pipeline.syncOperations.addHandler(try Self.tls(context, server))
                    }
                    try channel.pipeline.syncOperations.addHandler(lines)
                }
            }.connect(host: server, port: port).get()
            return SMTPConversation(channel, lines, tls: context, server: server)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw .later("the mail server at \(server) port \(port) cannot be reached: \(HTTPSClient.text(of: error))")
        }
    }

    static func tls(_ context: NIOSSLContext, _ server: String) throws -> NIOSSLClientHandler {
        let isAddress = (try? SocketAddress(ipAddress: server, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : server)
    }

    private func tlsContext() throws(Failure) -> NIOSSLContext {
        var trust = TLSConfiguration.makeClientConfiguration()
        trust.minimumTLSVersion = .tlsv12
        if let file = configuration.caFile { trust.trustRoots = .file(file) }
        do { return try NIOSSLContext(configuration: trust) } catch {
            throw .later("the trusted authorities '\(configuration.caFile ?? "of the system")' cannot be read")
        }
    }

    /// Up to where mail may be given: TLS before anything that matters, then the login.
    private func greet(_ conversation: SMTPConversation) async throws(Failure) {
        try await conversation.expect(220)
        let hello = "EHLO \(configuration.greeting)"
        var abilities = try await conversation.command(hello, expecting: 250)
        if configuration.security == .starttls {
            guard abilities.contains(where: { $0.uppercased() == "STARTTLS" }) else {
                throw .later("the mail server offers no STARTTLS, and nothing is sent without it")
            }
            try await conversation.command("STARTTLS", expecting: 220)
            try await conversation.startTLS()
            // RFC 3207 §4.2: what was said before does not count.
            abilities = try await conversation.command(hello, expecting: 250)
        }
        guard let login = configuration.login else { return }
        let ways = abilities.first { $0.uppercased().hasPrefix("AUTH ") }?.uppercased().split(separator: " ") ?? []
        if ways.contains("PLAIN") {
            let secret = login.password.withUnsafeBytes { [0] + Array(login.user.utf8) + [0] + Array($0) }
            try await conversation.command("AUTH PLAIN \(Base64.encode(secret))", expecting: 235, named: "the login")
        } else if ways.contains("LOGIN") {
            try await conversation.command("AUTH LOGIN", expecting: 334)
            try await conversation.command(Base64.encode(login.user.utf8), expecting: 334, named: "the login")
            let secret = login.password.withUnsafeBytes { Base64.encode($0) }
            try await conversation.command(secret, expecting: 235, named: "the login")
        } else {
            throw .later("the mail server offers no way to log in that is known here (PLAIN, LOGIN)")
        }
    }
}

extension Result {
    fileprivate init(_ body: () async throws(Failure) -> Success) async {
        do throws(Failure) { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
