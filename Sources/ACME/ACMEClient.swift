import Cryptography
import Domain
import FoundationEssentials
import Operations
import Synchronization

/// Signed requests to one authority (RFC 8555 §6).
struct ACMEClient: Sendable {
    typealias Sign = @Sendable (_ text: [UInt8]) async throws(ACMEFailure) -> [UInt8]

    let directory: ACMESettings.Directory
    let exchange: ACMEExchange
    let memory: ACMEMemory

    /// - Parameter now: an answer is kept for an hour.
    func addresses(at now: Timestamp) async throws(ACMEFailure) -> DirectoryMessage {
        if let known = memory.addresses(of: directory.address, at: now) { return known }
        let answer = try await send("GET", directory.address, [])
        guard answer.status == 200 else {
            throw .later("The authority's directory answered with status \(answer.status).")
        }
        let message: DirectoryMessage = try Self.decode(answer.body)
        memory.keep(message, of: directory.address, at: now)
        return message
    }

    /// Sends one request, again with a fresh nonce when the authority asks for one.
    ///
    /// - Parameter payload: JSON; nil for a mere question (RFC 8555 §6.3).
    func post(
        _ address: String, _ payload: [UInt8]?, from sender: ACMESignature.Sender, at now: Timestamp, sign: Sign
    ) async throws(ACMEFailure) -> ACMEExchange.Answer {
        let encoded = payload.map { Base64.encodeURL($0) } ?? ""
        for _ in 1...5 {
            let nonce = try await nonce(at: now)
            let header: String
            do throws(VaultError) {
                header = try ACMESignature.header(sender, nonce: nonce, address: address)
            } catch { throw .fault(error) }
            let signature = try await sign(Array("\(header).\(encoded)".utf8))
            let answer = try await send("POST", address, ACMESignature.message(header, encoded, signature))
            guard answer.status >= 400 else { return answer }
            let problem: Problem? = try? Self.decode(answer.body)
            // RFC 8555 §6.5: the answer brings a nonce that will do.
            if problem?.kind == "badNonce" { continue }
            throw Self.failure(answer, problem, at: now)
        }
        throw .later("The authority took none of five nonces that it had given.")
    }

    private static func failure(_ answer: ACMEExchange.Answer, _ problem: Problem?, at now: Timestamp) -> ACMEFailure {
        let delay = answer.retryAfter.flatMap { RetryAfter.parse($0, at: now) }
        switch (problem?.kind, answer.status) {
        case ("rateLimited", _), (_, 429):
            return .later(
                "The authority limits requests: \(problem?.text ?? "no reason given").", after: delay ?? .minutes(5))
        case ("accountDoesNotExist", _): return .accountGone
        case (_, 500...):
            return .later(
                "The authority is out of order (\(answer.status)): \(problem?.text ?? "no reason given").", after: delay
            )
        default:
            return .refused(
                code: "Request rejected",
                "The authority refuses (\(problem.map(\.kind) ?? "status \(answer.status)")): \(problem?.text ?? "no reason given")."
            )
        }
    }

    private func nonce(at now: Timestamp) async throws(ACMEFailure) -> String {
        if let nonce = memory.takeNonce(of: directory.address) { return nonce }
        let address = try await addresses(at: now).newNonce
        _ = try await send("HEAD", address, [])
        guard let nonce = memory.takeNonce(of: directory.address) else {
            throw .later("The authority gave no nonce.")
        }
        return nonce
    }

    private func send(_ method: String, _ address: String, _ body: [UInt8]) async throws(ACMEFailure)
        -> ACMEExchange.Answer
    {
        guard address.hasPrefix("https://") else {
            throw .refused(code: "Request rejected", "The authority named an address that is not https.")
        }
        let answer = try await exchange.send(method, address, body, directory.caFile).get()
        if let nonce = answer.nonce, (1...512).contains(nonce.utf8.count) {
            memory.keep(nonce: nonce, of: directory.address)
        }
        return answer
    }

    static func decode<Message: Decodable>(_ body: [UInt8]) throws(ACMEFailure) -> Message {
        do throws(VaultError) { return try Message.fromJSON(body) } catch {
            throw .later("The authority's answer is not what RFC 8555 says: \(error.message)")
        }
    }
}

/// What is remembered of authorities while the server runs.
final class ACMEMemory: Sendable {
    private struct State {
        var directories: [String: (message: DirectoryMessage, read: Timestamp)] = [:]
        var nonces: [String: [String]] = [:]
    }

    private let state = Mutex(State())
    private static let mostNonces = 16

    func addresses(of directory: String, at now: Timestamp) -> DirectoryMessage? {
        state.withLock { state in
            guard let known = state.directories[directory], known.read <= now, now - known.read < .hours(1) else {
                return nil
            }
            return known.message
        }
    }

    func keep(_ message: DirectoryMessage, of directory: String, at now: Timestamp) {
        state.withLock { $0.directories[directory] = (message, now) }
    }

    func takeNonce(of directory: String) -> String? { state.withLock { $0.nonces[directory]?.popLast() } }

    func keep(nonce: String, of directory: String) {
        state.withLock { state in
            var nonces = state.nonces[directory] ?? []
            if nonces.count >= Self.mostNonces { nonces.removeFirst() }
            nonces.append(nonce)
            state.nonces[directory] = nonces
        }
    }
}

/// When to come again (RFC 9110 §10.2.3): seconds, or a date. At most a week.
enum RetryAfter {
    static func parse(_ text: String, at now: Timestamp) -> Duration? {
        if let seconds = Int64(text) { return bounded(.seconds(max(0, seconds))) }
        guard let time = Timestamp(httpDate: text) else { return nil }
        return bounded(max(.zero, time - now))
    }

    private static func bounded(_ delay: Duration) -> Duration { min(delay, .days(7)) }
}
