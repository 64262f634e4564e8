import HTTPSClient
import NIOCore
import NIOSSL
import Synchronization

/// Commands and replies of one connection to a mail server, one after the other.
final class SMTPConversation: Sendable {
    private let channel: any Channel
    private let lines: SMTPLines
    private let tls: NIOSSLContext?
    private let server: String

    init(_ channel: any Channel, _ lines: SMTPLines, tls: NIOSSLContext?, server: String) {
        (self.channel, self.lines, self.tls, self.server) = (channel, lines, tls, server)
    }

    var loop: any EventLoop { channel.eventLoop }

    func close() { channel.close(promise: nil) }

    func fail(_ failure: SMTPClient.Failure) {
        let lines = lines
        channel.eventLoop.execute { lines.fail(failure) }
        channel.close(promise: nil)
    }

    /// - Parameters:
    ///   - name: what is told of a failure; nil for the command's first word. A line that is secret has one.
    ///   - isFinal: a refusal for good will stay one, whenever it is tried.
    /// - Returns: the texts of the reply's lines.
    @discardableResult
    func command(_ line: String, expecting codes: Int..., named name: String? = nil, isFinal: Bool = false)
        async throws(SMTPClient.Failure) -> [String]
    {
        let name = name ?? line.prefix { $0 != " " }.description
        return try await exchange(line + "\r\n", codes, name, isFinal: isFinal)
    }

    func expect(_ code: Int) async throws(SMTPClient.Failure) {
        _ = try await exchange(nil, [code], "the connection", isFinal: false)
    }

    private func exchange(_ text: String?, _ codes: [Int], _ name: String, isFinal: Bool)
        async throws(SMTPClient.Failure) -> [String]
    {
        let promise = loop.makePromise(of: SMTPLines.Reply.self)
        let (channel, handler) = (channel, lines)
        channel.eventLoop.execute {
            handler.await(promise)
            // Why a write fails is told by what closed the connection.
            if let text { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }
        }
        let reply: SMTPLines.Reply
        do { reply = try await promise.futureResult.get() } catch let failure as SMTPClient.Failure {
            throw failure
        } catch {
            throw .later("the connection to the mail server broke: \(HTTPSClient.text(of: error))")
        }
        if codes.contains(reply.code) { return reply.lines }
        let words = reply.lines.joined(separator: " ").unicodeScalars.filter { $0.value >= 0x20 && $0.value < 0x7F }
        let answer = "\(reply.code) \(String(String.UnicodeScalarView(words)).prefix(256))"
        let told = "the mail server answered \(name) with \(answer)"
        throw isFinal && (500...599).contains(reply.code) ? .refused(told) : .later(told)
    }

    /// From here on everything is said over TLS.
    func startTLS() async throws(SMTPClient.Failure) {
        guard let tls else { throw .later("there is no TLS to begin") }
        let (channel, server, lines) = (channel, server, lines)
        do {
            try await channel.eventLoop.submit {
                let pipeline = channel.pipeline.syncOperations
                // What the server said in clear after its 220 would count as said under TLS.
                guard lines.isEmpty else {
                    throw SMTPClient.Failure.later("the mail server went on in clear after STARTTLS")
                }
                try pipeline.addHandler(try SMTPClient.tls(tls, server), position: .first)
            }.get()
        } catch let failure as SMTPClient.Failure {
            throw failure
        } catch { throw .later("TLS could not be begun: \(HTTPSClient.text(of: error))") }
    }
}

/// Puts replies together: lines of one code, the last of them with a blank behind it (RFC 5321 §4.2.1).
final class SMTPLines: ChannelInboundHandler, @unchecked Sendable {
    // Unchecked: everything happens on the thread of the channel's event loop; `fail` comes there too.
    typealias InboundIn = ByteBuffer

    struct Reply: Sendable {
        let code: Int
        let lines: [String]
    }

    private static let mostBytes = 64 << 10
    private var buffer: [UInt8] = []
    private var lines: [String] = []
    private var replies: [Reply] = []
    private var waiting: EventLoopPromise<Reply>?
    private var failure: SMTPClient.Failure?

    var isEmpty: Bool { buffer.isEmpty && lines.isEmpty && replies.isEmpty }

    func await(_ promise: EventLoopPromise<Reply>) {
        if let failure { return promise.fail(failure) }
        guard replies.isEmpty else { return promise.succeed(replies.removeFirst()) }
        waiting = promise
    }

    func fail(_ failure: SMTPClient.Failure) {
        self.failure = self.failure ?? failure
        waiting?.fail(failure)
        waiting = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        buffer.append(contentsOf: unwrapInboundIn(data).readableBytesView)
        guard buffer.count <= Self.mostBytes, lines.count <= 256, replies.count <= 16 else {
            fail(.later("the mail server says too much"))
            context.close(promise: nil)
            return
        }
        while let end = buffer.firstIndex(of: 0x0A) {
            var line = buffer[..<end]
            if line.last == 0x0D { line.removeLast() }
            take(String(decoding: line, as: UTF8.self), context)
            buffer.removeFirst(end + 1)
        }
    }

    private func take(_ line: String, _ context: ChannelHandlerContext) {
        let code = Int(line.prefix(3))
        guard let code, (200...599).contains(code), line.utf8.count >= 3 else {
            fail(.later("the mail server does not speak SMTP"))
            context.close(promise: nil)
            return
        }
        lines.append(String(line.dropFirst(4)))
        guard !line.dropFirst(3).hasPrefix("-") else { return }
        let reply = Reply(code: code, lines: lines)
        lines = []
        if let waiting {
            self.waiting = nil
            waiting.succeed(reply)
        } else {
            replies.append(reply)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(.later("the connection to the mail server broke: \(HTTPSClient.text(of: error))"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { fail(.later("the mail server closed the connection")) }
}
