package import Cryptography
package import Domain
import Synchronization
package import Threads

/// Checks a person's password and code, few at a time; failed tries of a name hold up its further ones, whether it is anybody's or not.
package final class UserAuthentication: Sendable {
    package enum Outcome: Sendable {
        /// - step: of the code that was used; nil when none was asked. Good once it has been written down as used.
        case user(User, step: Int64?)
        /// No such person, disabled, a wrong password or a wrong code: alike in text and in work.
        case refused
        /// Too many failed tries; try again after this many seconds.
        case locked(seconds: Int)
        /// Too many checks are waiting.
        case busy
    }

    private let directory: Directory
    private let engine: CryptoEngine
    private let pool: WorkPool
    /// What is checked in place of a person who does not exist.
    private let decoy: User
    private let failures = Mutex(FailedTries())

    package init(directory: Directory, engine: CryptoEngine, pool: WorkPool) throws(CryptoError) {
        self.directory = directory
        self.engine = engine
        self.pool = pool
        let password = PasswordHash(
            salt: try engine.random(count: 16), hash: try engine.random(count: 32), cost: .password)
        guard let name = UserName("nobody@invalid") else { throw .failed("a name") }
        var decoy = User(
            id: GUID(high: 0, low: 0), name: name, displayName: "", created: Timestamp(nanoseconds: 0),
            password: password, mustChangePassword: false)
        decoy.isEnabled = false
        decoy.authenticator = Authenticator(secret: try engine.randomKey(count: TimedCode.secretLength))
        self.decoy = decoy
    }

    /// - Parameters:
    ///   - name: as it was typed.
    ///   - code: of an authenticator; empty when none was typed.
    package func authenticate(
        name typed: String, password: SensitiveBytes, code: String, waker: any Waker, now: Timestamp
    ) async -> Outcome {
        let name = UserName(Self.trimmed(typed))
        let tryName = Self.tryName(typed)
        if let seconds = failures.withLock({ $0.begin(tryName, now: now) }) { return .locked(seconds: seconds) }
        let user = name.flatMap { directory.user(named: $0) } ?? decoy
        let engine = engine
        let matched = await pool.run(on: waker) { user.password.isOf(password, engine: engine) }
        guard let matched else { return .busy }
        let asked = user.authenticator ?? decoy.authenticator
        let step = asked.flatMap { TimedCode.step(of: code, $0, now: now, engine: engine) }
        guard matched, user.isEnabled, user.authenticator == nil || step != nil else {
            return .refused
        }
        failures.withLock { $0.forget(tryName) }
        return .user(user, step: user.authenticator == nil ? nil : step)
    }

    /// Counts a try that failed later: its code had been used.
    package func failed(_ typed: String, now: Timestamp) {
        failures.withLock { $0.note(Self.tryName(typed), now: now) }
    }

    /// One count for every spelling of a name.
    private static func tryName(_ typed: String) -> String {
        let trimmed = trimmed(typed)
        return UserName(trimmed)?.key ?? String(trimmed.lowercased().prefix(64))
    }

    private static func trimmed(_ text: String) -> Substring {
        let start = text.drop { $0.isWhitespace }
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return start[...last]
    }
}
