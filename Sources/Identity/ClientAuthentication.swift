package import Cryptography
package import Domain
import Synchronization
package import Threads

/// Checks client secrets: scrypt against what is stored, few at a time, and failed tries slowed down per client.
///
/// A secret that was right once is remembered as an HMAC under a key of this process only, so that a busy client does not pay
/// for scrypt each time; a wrong one always pays.
package final class ClientAuthentication: Sendable {
    package enum Outcome: Sendable {
        case client(Application)
        /// Unknown, disabled or a wrong secret: alike in text and in work.
        case refused
        /// Too many failed tries; try again after this many seconds.
        case throttled(seconds: Int)
        /// Too many checks are waiting.
        case busy
    }

    private let directory: Directory
    private let engine: CryptoEngine
    private let pool: WorkPool
    private let rememberKey: SensitiveBytes
    private let decoy: ClientSecret
    private let remembered = Mutex<[GUID: [UInt8]]>([:])
    private let failures = Mutex(FailedTries())

    package init(directory: Directory, engine: CryptoEngine, pool: WorkPool) throws(CryptoError) {
        self.directory = directory
        self.engine = engine
        self.pool = pool
        rememberKey = try engine.randomKey(count: 32)
        decoy = ClientSecret(
            salt: try engine.random(count: 16), hash: try engine.random(count: 32), created: Timestamp(nanoseconds: 0))
    }

    /// A new random secret of 40 characters and how it is kept. Slow: not on an event loop.
    package static func makeSecret(engine: CryptoEngine, now: Timestamp) throws(CryptoError) -> (
        SensitiveBytes, ClientSecret
    ) {
        let random = try engine.randomKey(count: 30)
        let text = SensitiveBytes(random.withUnsafeBytes { Base64.encodeURL($0) }.utf8)
        let salt = try engine.random(count: 16)
        let hash = try engine.scrypt(text, salt: salt, cost: .clientSecret)
        return (text, ClientSecret(salt: salt, hash: hash.withUnsafeBytes { Array($0) }, created: now))
    }

    package func authenticate(clientID: String, secret: SensitiveBytes, waker: any Waker, now: Timestamp) async
        -> Outcome
    {
        // One count for every spelling of a client's id.
        let id = GUID(clientID)
        let tryName = id?.description ?? String(clientID.lowercased().prefix(64))
        let application = id.flatMap { directory.application($0) }
        let tag = try? engine.hmacSHA256(key: rememberKey, secret.withUnsafeBytes { Array($0) })
        // Before the throttle: whoever knows a client's id could lock it out otherwise. Secrets are random and long; to try them
        // here is to guess 240 bits.
        if let application, application.isEnabled, let tag, let known = remembered.withLock({ $0[application.id] }),
            constantTimeEqual(known, tag + generation(application))
        {
            return .client(application)
        }
        if let seconds = failures.withLock({ $0.waitSeconds(tryName, now: now) }) {
            return .throttled(seconds: seconds)
        }
        // One without a secret costs as much as one that is not known.
        let secrets = application.flatMap { $0.secrets.isEmpty ? nil : $0.secrets } ?? [decoy]
        let engine = engine
        let matched = await pool.run(on: waker) { () -> Bool in
            var matched = false
            for stored in secrets {
                guard let hash = try? engine.scrypt(secret, salt: stored.salt, cost: .clientSecret) else { continue }
                if SensitiveBytes.equal(hash, SensitiveBytes(stored.hash)) { matched = true }
            }
            return matched
        }
        guard let matched else { return .busy }
        guard matched, let application, application.isEnabled, !application.secrets.isEmpty else {
            failures.withLock { $0.note(tryName, now: now) }
            return .refused
        }
        failures.withLock { $0.forget(tryName) }
        if let tag {
            remembered.withLock { remembered in
                if remembered.count >= 10_000 { remembered.removeAll() }
                remembered[application.id] = tag + generation(application)
            }
        }
        return .client(application)
    }

    /// What was remembered holds for these very secrets only.
    private func generation(_ application: Application) -> [UInt8] {
        var writer = ByteWriter()
        writer.integer(Int64(application.tokenGeneration))
        return writer.bytes
    }
}

/// Failed tries by client: after ten within five minutes every further one waits, longer each time.
struct FailedTries: Sendable {
    private struct Count {
        var failures = 0
        var last = Timestamp(nanoseconds: 0)
    }

    static let allowed = 10
    private static let window: Duration = .minutes(5)
    private var counts: [String: Count] = [:]

    func waitSeconds(_ name: String, now: Timestamp) -> Int? {
        guard let count = counts[name], count.failures >= Self.allowed else { return nil }
        let wait = Duration.seconds(min(300, 5 << min(6, count.failures - Self.allowed)))
        let until = count.last + wait
        return now < until ? Int((until - now).components.seconds) + 1 : nil
    }

    /// Counts a try before its work, so that tries at the same time are counted too; gives the seconds to wait when it may not be made.
    mutating func begin(_ name: String, now: Timestamp) -> Int? {
        if let seconds = waitSeconds(name, now: now) { return seconds }
        note(name, now: now)
        return nil
    }

    mutating func note(_ name: String, now: Timestamp) {
        if counts.count >= 10_000 { counts = counts.filter { now - $0.value.last < Self.window } }
        // Under a flood of names those that are being held back stay held back.
        if counts.count >= 10_000 { counts = counts.filter { $0.value.failures >= Self.allowed } }
        var count = counts[name] ?? Count()
        if now - count.last > Self.window { count.failures = 0 }
        count.failures += 1
        count.last = now
        counts[name] = count
    }

    mutating func forget(_ name: String) { counts[name] = nil }
}
